//! Scripts as they are written for real: they stay accepted.

use crate::template::{Dialect, Scope, ShellTemplate, Value};

/// Scripts for any shell.
const HONEST: &[&str] = &[
    "systemctl restart {{ x }}",
    "sudo systemctl restart -- {{ x }}",
    "sudo -n systemctl --no-block restart \"{{ x }}.service\"",
    "systemctl is-active --quiet {{ x }} || systemctl start {{ x }}",
    "systemctl show -p MainPID --value {{ x }} | xargs -d '\\n' -r -n1 ps -o pid,args -p",
    "journalctl -u {{ x }} --since '15 min ago' --no-pager | tail -n 50",
    "journalctl -u {{ x }} -o cat | grep -c error || true",
    "kubectl -n {{ y }} delete pod {{ x }}",
    "kubectl -n {{ y }} rollout restart deployment/{{ x }}",
    "kubectl --context {{ y }} get pods -l app={{ x }} -o jsonpath='{.items[*].metadata.name}'",
    "kubectl -n {{ y }} exec {{ x }} -- df -h",
    "kubectl -n {{ y }} exec deploy/web -c main -- sh -c 'ls \"$1\"' sh {{ x }}",
    "for pod in $(kubectl -n {{ y }} get pods -o name); do kubectl -n {{ y }} delete \"$pod\"; done",
    "kubectl drain --ignore-daemonsets --timeout=60s -- {{ x }}",
    "curl -fsS -X POST -d 'host={{ x }}' https://example.com/hook",
    "curl -fsS \"https://example.com/api/{{ x }}?q={{ y }}\" | jq -r '.items[] | .name'",
    "curl -fsS -H \"X-Host: {{ x }}\" --data-urlencode \"q={{ y }}\" https://example.com/",
    "jq -n --arg text {{ x }} '{text: $text}' | curl -fsS -d @- https://example.com/",
    "curl -sf -o /dev/null -w '%{http_code}' \"http://{{ x }}/health\"",
    "df --output=pcent -- {{ x }} | tail -n 1 | tr -dc '0-9'",
    "used=$(df --output=pcent {{ x }} | tail -n 1 | tr -dc 0-9); [ \"$used\" -lt 90 ]",
    "du -xsh {{ x }}/* 2>/dev/null | sort -rh | head -n 5",
    "find {{ x }} -xdev -type f -name '*.log' -mtime +7 -delete",
    "find {{ x }} -name '*.gz' -print0 | xargs -0 rm -f --",
    "find /var/log -name {{ x }} -exec gzip -9 -- {} +",
    "logger -t amflow \"cleaned {{ x }} on $(hostname)\"",
    "if [ \"$HOSTNAME\" = {{ x }} ]; then echo here; else echo there; fi",
    "[ -d {{ x }} ] && ls -l {{ x }} || echo missing",
    "test -f \"/etc/{{ x }}.conf\" || exit 3",
    "case {{ x }} in db*) echo database;; web*|app*) echo server;; *) echo other; exit 1;; esac",
    "for unit in {{ list }}; do systemctl restart \"$unit\"; done",
    "while ! systemctl is-active --quiet {{ x }}; do sleep 1; done",
    "i=0; until ping -c 1 -W 1 {{ x }} >/dev/null; do i=$((i + 1)); [ \"$i\" -lt 10 ] || exit 1; sleep 3; done",
    "printf '%s\\n' {{ list }} | while IFS= read -r host; do ping -c 1 \"$host\"; done",
    "cat <<EOF | sendmail -t\nSubject: {{ x }}\n\nHost {{ y }} is down.\nEOF",
    "cat > \"/etc/motd.d/{{ x }}\" <<'END'\nmaintenance\nEND\nchmod 644 \"/etc/motd.d/{{ x }}\"",
    "log() { echo \"$(date -Is) $*\" >&2; }; log \"restarting {{ x }}\"; systemctl restart {{ x }}",
    "die() { echo \"$1\" >&2; exit 1; }; systemctl restart {{ x }} || die \"cannot restart {{ x }}\"",
    "retry() { n=0; until \"$@\"; do n=$((n + 1)); [ \"$n\" -lt 3 ] || return 1; sleep 1; done; }; retry systemctl restart {{ x }}",
    "sudo -u postgres psql -X -v name={{ x }} -c 'select 1' postgres",
    "sudo -u postgres psql -At -v ON_ERROR_STOP=1 -d {{ x }} -f /opt/vacuum.sql",
    "pg_isready -h {{ x }} -p 5432 -t 5",
    "ssh -o BatchMode=yes -- {{ x }} systemctl restart nginx",
    "ssh -o ConnectTimeout=5 admin@{{ x }} 'sudo systemctl restart {{ y | shq }}'",
    "ssh -i \"$KEY\" -- {{ x }} df -P {{ y | shq }}",
    "scp -q /etc/hosts {{ x }}:/tmp/",
    "rsync -az --delete /srv/data/ {{ x }}:/srv/data/",
    "timeout 30 ping -c 3 {{ x }}",
    "timeout -k 5 30s nc -z -w 3 {{ x }} 443",
    "nice -n 19 ionice -c3 tar -czf /backup/{{ x }}.tgz -C /srv {{ x }}",
    "flock -n /run/lock/mend systemctl restart {{ x }}",
    "docker restart {{ x }}",
    "docker exec -u root {{ x }} nginx -s reload",
    "docker logs --tail 50 {{ x }} 2>&1 | grep -i error",
    "docker ps -q --filter name={{ x }} | xargs -r -d '\\n' docker restart --",
    "nsenter -t 1 -m -u -n -i -- systemctl restart {{ x }}",
    "ip -o addr show dev {{ x }} | awk '{ print $4 }'",
    "ip netns exec blue ping -c 1 {{ x }}",
    "ethtool {{ x }} | sed -n 's/.*Speed: //p'",
    "ps aux | grep -v grep | grep -- {{ x }} | awk '{ print $2 }' | xargs -d '\\n' -r kill --",
    "pkill -TERM -x -- {{ x }} || true",
    "awk -F: -v OFS='|' '$3 > 100 { print $1, $2 }' {{ x }}",
    "sed -i.bak 's/^#//' -- {{ x }}",
    "grep -rn -- {{ x }} /etc/nginx | cut -d: -f1 | sort -u",
    "python3 /opt/mend.py --host {{ x }} --unit \"{{ y }}\"",
    "python3 -c 'import sys; print(len(sys.argv[1]))' {{ x }}",
    "\"$HOME/bin/mend\" --unit={{ x }}",
    "/usr/local/bin/mend {{ x }} >> /var/log/mend.log 2>&1",
    "SUDO=; [ \"$(id -u)\" = 0 ] || SUDO=sudo; $SUDO systemctl restart {{ x }}",
    "set -x; cd {{ x }} && ls -la",
    "unit={{ x }}; host={{ y }}; echo \"$unit on $host\"; systemctl restart \"$unit\"",
    "unit=\"{{ x }}.service\"; systemctl show \"$unit\" | grep -q '^ActiveState=active'",
    "name=$(basename {{ x }}); rm -rf -- \"/tmp/cache/$name\"",
    "short={{ x }}; short=${short%%.*}; echo \"$short\"",
    "result=$(curl -fsS \"http://{{ x }}/-/ready\") || exit 1; echo \"result=$result\" >> \"$AMFLOW_OUTPUT\"",
    "trap 'rm -f \"$lock\"' EXIT; lock=/run/mend.lock; echo {{ x }} > \"$lock\"",
    "tmp=$(mktemp); curl -fsS \"http://{{ x }}/dump\" > \"$tmp\"; gzip \"$tmp\"",
    "amtool silence add --duration=1h --comment='by amflow' instance={{ x }}",
    "aws ec2 reboot-instances --instance-ids {{ x }}",
    "gcloud compute instances reset {{ x }} --zone {{ y }}",
    "echo {{ x }} | sudo tee -a /etc/hosts.deny >/dev/null",
    "env LC_ALL=C sort -- {{ x }} | uniq -c",
    "mount | grep -q \" {{ x }} \" && umount {{ x }}",
    "redis-cli -h {{ x }} ping",
    "nohup /opt/rebuild.sh {{ x }} >/dev/null 2>&1 &",
    "fuser -km -- {{ x }}; umount -l {{ x }}",
    "a={{ x }}\nif [ -n \"$a\" ]; then\n  systemctl reset-failed \"$a\" # as root\nfi",
    "dig +short {{ x }} | head -n 1",
    "openssl s_client -connect {{ x }}:443 -servername {{ x }} </dev/null 2>/dev/null | openssl x509 -noout -enddate",
    "chronyc -h {{ x }} makestep",
    "git -C /srv/{{ x }} pull --ff-only",
    "cd \"/srv/{{ x }}\" && ls -la && /opt/mend.sh",
    "tar -C /srv -czf /backup/a.tgz -- {{ x }}; /opt/after.sh",
    "{ echo {{ x }}; date; } > /tmp/report; mail -s report root < /tmp/report",
    "while read -r host; do ssh -n -- \"$host\" uptime; done <<EOF\n{{ x }}\nEOF",
];

/// Scripts for bash.
const HONEST_BASH: &[&str] = &[
    "[[ {{ x }} == web-* ]] && systemctl restart nginx",
    "units=({{ list }}); for unit in \"${units[@]}\"; do systemctl restart \"$unit\"; done",
    "args=(-n {{ y }} --timeout=30s); kubectl \"${args[@]}\" rollout status deploy/web",
    "while read -r pid; do kill \"$pid\"; done < <(pgrep -f {{ x }})",
    "mapfile -t lines < <(ls -1 {{ x }}); echo \"${lines[0]}\"",
    "grep -q a <<< {{ x }}",
    "diff <(ls {{ x }}) <(ls {{ y }})",
    "local_file() { local name={{ x }}; cat \"/etc/$name\"; }; local_file",
    "shopt -s nullglob; for file in {{ x }}/*.log; do gzip \"$file\"; done",
    "if ! time systemctl restart {{ x }}; then echo failed >&2; fi",
    "exec 9> /run/lock/mend; flock -n 9; systemctl restart {{ x }}",
    "(( $(date +%s) % 2 )) && echo {{ x }}",
    "read -r used _ < <(df --output=used {{ x }} | tail -n 1); echo \"$used\"",
];

#[test]
fn honest_scripts_are_accepted() {
    let scope = Scope::new()
        .with("x", Value::from("web-1"))
        .with("y", Value::from("a b"))
        .with("list", Value::from(vec!["a b", "c"]));
    let everywhere = HONEST.iter().flat_map(|script| [(script, Dialect::Posix), (script, Dialect::Bash)]);
    let mut refused = Vec::new();
    for (script, dialect) in everywhere.chain(HONEST_BASH.iter().map(|script| (script, Dialect::Bash))) {
        match ShellTemplate::compile(script, dialect) {
            Ok(template) => {
                if let Err(error) = template.render(&scope) {
                    refused.push(format!("{script}: {error}"));
                }
            }
            Err(problems) => refused.push(format!("{script}: {}: {}", problems[0].code, problems[0].message)),
        }
    }
    assert!(HONEST.len() >= 40);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
