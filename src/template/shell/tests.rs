//! Scripts and what becomes of their holes, by table. That no value is executed is shown with real shells in `tests/it/hostile.rs`.

use super::*;
use crate::template::Value;

fn scope(value: &str) -> Scope {
    Scope::new()
        .with("x", Value::from(value))
        .with("list", Value::from(vec!["a b", "c"]))
        .with("empty", Value::from(Vec::<Value>::new()))
        .with("n", Value::from(7))
        .with("map", Value::from_pairs([("k", 1)]))
        .with("cmd", Value::from("ls -l"))
}

fn script(source: &str, dialect: Dialect) -> String {
    let template =
        ShellTemplate::compile(source, dialect).unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
    template.render(&scope("v")).unwrap_or_else(|error| panic!("{source}: {error}")).script
}

#[test]
fn each_hole_is_spelled_for_its_place() {
    for (source, expected) in [
        ("echo {{ x }}", r#"echo "${AMFLOW_V0}""#),
        ("echo a{{ x }}b{{ x }}", r#"echo a"${AMFLOW_V0}"b"${AMFLOW_V1}""#),
        (r#"echo "a {{ x }} b""#, r#"echo "a ${AMFLOW_V0} b""#),
        ("echo 'a {{ x }} b'", r#"echo 'a '"${AMFLOW_V0}"' b'"#),
        (r#"echo "a\"{{ x }}""#, r#"echo "a\"${AMFLOW_V0}""#),
        (r"echo a\\{{ x }}", r#"echo a\\"${AMFLOW_V0}""#),
        ("echo 'it'\\''s {{ x }}'", r#"echo 'it'\''s '"${AMFLOW_V0}"''"#),
        (
            "cat <<EOF\n'{{ x }}\"\nEOF\necho {{ x }}",
            "cat <<EOF\n'${AMFLOW_V0}\"\nEOF\necho \"${AMFLOW_V1}\"",
        ),
        (
            "cat <<-EOF\n\ta{{ x }}\n\tEOF\necho {{ x }}",
            "cat <<-EOF\n\ta${AMFLOW_V0}\n\tEOF\necho \"${AMFLOW_V1}\"",
        ),
        ("cat <<A <<B\n{{ x }}\nA\n{{ x }}\nB\n", "cat <<A <<B\n${AMFLOW_V0}\nA\n${AMFLOW_V1}\nB\n"),
        ("cat <<< {{ x }}", r#"cat <<< "${AMFLOW_V0}""#),
        ("a=$(echo {{ x }})", r#"a=$(echo "${AMFLOW_V0}")"#),
        (r#"a="$(echo "{{ x }}" '{{ x }}')""#, r#"a="$(echo "${AMFLOW_V0}" ''"${AMFLOW_V1}"'')""#),
        ("echo $(( {{ n }} + 1 ))", "echo $(( ${AMFLOW_V0} + 1 ))"),
        (r#"echo "$(( {{ n }} ))""#, r#"echo "$(( ${AMFLOW_V0} ))""#),
        (
            "case {{ x }} in {{ x }}) echo a;; *) echo {{ x }};; esac; echo '{{ x }}'",
            r#"case "${AMFLOW_V0}" in "${AMFLOW_V1}") echo a;; *) echo "${AMFLOW_V2}";; esac; echo ''"${AMFLOW_V3}"''"#,
        ),
        (
            "x=$(case a in a) echo {{ x }};; esac) y='{{ x }}'",
            r#"x=$(case a in a) echo "${AMFLOW_V0}";; esac) y=''"${AMFLOW_V1}"''"#,
        ),
        (
            "for i in {{ list }}; do echo \"$i\"; done",
            r#"for i in "${AMFLOW_V0}" "${AMFLOW_V1}"; do echo "$i"; done"#,
        ),
        ("rm -- {{ list }} {{ empty }} {{ 'v' if n > 100 }}", r#"rm -- "${AMFLOW_V0}" "${AMFLOW_V1}"  "#),
        ("echo a > {{ x }} 2>&1", r#"echo a > "${AMFLOW_V0}" 2>&1"#),
        (
            "if [ {{ x }} = a ]; then echo {{ x }}; fi",
            r#"if [ "${AMFLOW_V0}" = a ]; then echo "${AMFLOW_V1}"; fi"#,
        ),
        ("echo a # it's {{ x }}\necho '{{ x }}'", "echo a # it's ${AMFLOW_V0}\necho ''\"${AMFLOW_V1}\"''"),
        ("f() { echo {{ x }}; }; f", r#"f() { echo "${AMFLOW_V0}"; }; f"#),
        ("{{ cmd | raw }} -- {{ x }}", r#"ls -l -- "${AMFLOW_V0}""#),
        ("echo \"${HOME}\" $USER {{ x }}", r#"echo "${HOME}" $USER "${AMFLOW_V0}""#),
        (
            "A={{ x }} B='{{ x }}' env | grep {{ x }}",
            r#"A="${AMFLOW_V0}" B=''"${AMFLOW_V1}"'' env | grep "${AMFLOW_V2}""#,
        ),
        ("(echo {{ x }}) && { echo {{ x }}; }", r#"(echo "${AMFLOW_V0}") && { echo "${AMFLOW_V1}"; }"#),
        ("{% if n > 5 %}echo '{{ x }}'{% else %}echo {{ x }}{% endif %}", r#"echo ''"${AMFLOW_V0}"''"#),
        ("{% for i in list %}echo {{ i }};{% endfor %}", r#"echo "${AMFLOW_V0}";echo "${AMFLOW_V1}";"#),
        ("echo a\\\n{{ x }}", "echo a\\\n\"${AMFLOW_V0}\""),
        ("ssh -- {{ x }} df {{ x | shq }}", r#"ssh -- "${AMFLOW_V0}" df "${AMFLOW_V1}""#),
        (
            "ssh -p {{ n }} -l {{ x }} {{ x }} 'df {{ x | shq }}'",
            r#"ssh -p "${AMFLOW_V0}" -l "${AMFLOW_V1}" "${AMFLOW_V2}" 'df '"${AMFLOW_V3}"''"#,
        ),
        ("sh -c 'echo \"$1\"' sh {{ x }}", r#"sh -c 'echo "$1"' sh "${AMFLOW_V0}""#),
        ("python3 -c 'import sys' {{ x }}", r#"python3 -c 'import sys' "${AMFLOW_V0}""#),
        ("python3 tool.py {{ x }}", r#"python3 tool.py "${AMFLOW_V0}""#),
        ("awk '{print $1}' {{ x }}", r#"awk '{print $1}' "${AMFLOW_V0}""#),
        ("sed -e 's/a/b/' -- {{ x }}", r#"sed -e 's/a/b/' -- "${AMFLOW_V0}""#),
        ("jq --arg a {{ x }} '.b = $a' f", r#"jq --arg a "${AMFLOW_V0}" '.b = $a' f"#),
        ("echo {{ x }} | grep a", r#"echo "${AMFLOW_V0}" | grep a"#),
        ("echo {{ x }} | python3 -c 'import sys'", r#"echo "${AMFLOW_V0}" | python3 -c 'import sys'"#),
        ("printf '%s\\0' {{ x }} | xargs -0 rm --", r#"printf '%s\0' "${AMFLOW_V0}" | xargs -0 rm --"#),
        (
            "host={{ x }}; i=0; i=$((i + 1)); ping \"$host\"",
            r#"host="${AMFLOW_V0}"; i=0; i=$((i + 1)); ping "$host""#,
        ),
        ("export A={{ x }}", r#"export A="${AMFLOW_V0}""#),
        (
            "sudo -u {{ x }} timeout {{ n }} ls {{ x }}",
            r#"sudo -u "${AMFLOW_V0}" timeout "${AMFLOW_V1}" ls "${AMFLOW_V2}""#,
        ),
        (
            "f() { echo \"+ $*\"; \"$@\"; }; f ls {{ x }}",
            r#"f() { echo "+ $*"; "$@"; }; f ls "${AMFLOW_V0}""#,
        ),
        (
            "while read -r a; do echo \"$a\"; done < <(ls {{ x }})",
            r#"while read -r a; do echo "$a"; done < <(ls "${AMFLOW_V0}")"#,
        ),
        ("echo {{ x }} 2>&1 >&2 3>/dev/null", r#"echo "${AMFLOW_V0}" 2>&1 >&2 3>/dev/null"#),
        ("echo {{ x }} > f; wc -l f; ssh host df", r#"echo "${AMFLOW_V0}" > f; wc -l f; ssh host df"#),
        (
            "log() { echo \"$(date) $*\" >> log; }; log {{ x }}; n=$(wc -l < log); echo \"$n\"",
            r#"log() { echo "$(date) $*" >> log; }; log "${AMFLOW_V0}"; n=$(wc -l < log); echo "$n""#,
        ),
        (
            "printf '%s\\0' {{ x }} | xargs -0 -n1 sh -c 'echo \"$1\"' sh",
            r#"printf '%s\0' "${AMFLOW_V0}" | xargs -0 -n1 sh -c 'echo "$1"' sh"#,
        ),
        ("a=; a=sudo; $a ls -- {{ x }}", r#"a=; a=sudo; $a ls -- "${AMFLOW_V0}""#),
        ("\"$HOME/bin/mend\" {{ x }}", r#""$HOME/bin/mend" "${AMFLOW_V0}""#),
        (
            "$HOME/bin/mend {{ x }}; ~/bin/mend {{ x }}",
            r#"$HOME/bin/mend "${AMFLOW_V0}"; ~/bin/mend "${AMFLOW_V1}""#,
        ),
        (
            "for verb in stop start; do systemctl $verb {{ x }}; done",
            r#"for verb in stop start; do systemctl $verb "${AMFLOW_V0}"; done"#,
        ),
        ("f() { shift; \"$@\"; }; f 3 ls {{ x }}", r#"f() { shift; "$@"; }; f 3 ls "${AMFLOW_V0}""#),
        ("$tool -x; echo {{ x }}", r#"$tool -x; echo "${AMFLOW_V0}""#),
        ("python3 \"$HOME/a.py\" {{ x }}", r#"python3 "$HOME/a.py" "${AMFLOW_V0}""#),
        ("sh -- \"$file\" {{ x }}", r#"sh -- "$file" "${AMFLOW_V0}""#),
        ("file=a.sh; sh $file {{ x }}", r#"file=a.sh; sh $file "${AMFLOW_V0}""#),
        ("psql -U\"$USER\" -d {{ x }}", r#"psql -U"$USER" -d "${AMFLOW_V0}""#),
        ("awk -F\"$sep\" '{ print $1 }' {{ x }}", r#"awk -F"$sep" '{ print $1 }' "${AMFLOW_V0}""#),
        ("echo `date` {{ x }}", r#"echo `date` "${AMFLOW_V0}""#),
        ("tar -czf {{ x }}.tar.gz a", r#"tar -czf "${AMFLOW_V0}".tar.gz a"#),
        ("python3 -u script.py {{ x }}", r#"python3 -u script.py "${AMFLOW_V0}""#),
        ("su -c 'ls' {{ x }}", r#"su -c 'ls' "${AMFLOW_V0}""#),
        (
            "kubectl exec a -- sh -c 'echo \"$1\"' sh {{ x }}",
            r#"kubectl exec a -- sh -c 'echo "$1"' sh "${AMFLOW_V0}""#,
        ),
        ("kubectl delete pod -- {{ x }}", r#"kubectl delete pod -- "${AMFLOW_V0}""#),
        ("docker exec {{ x }} df", r#"docker exec "${AMFLOW_V0}" df"#),
        (
            "kubectl -n {{ x }} exec {{ x }} -- df {{ x }}",
            r#"kubectl -n "${AMFLOW_V0}" exec "${AMFLOW_V1}" -- df "${AMFLOW_V2}""#,
        ),
        ("sh -c '\"$@\"' sh ls {{ x }}", r#"sh -c '"$@"' sh ls "${AMFLOW_V0}""#),
        ("docker exec web ls {{ x }}", r#"docker exec web ls "${AMFLOW_V0}""#),
        (
            "find {{ x }} -name {{ x }} -exec rm -- {} +",
            r#"find "${AMFLOW_V0}" -name "${AMFLOW_V1}" -exec rm -- {} +"#,
        ),
    ] {
        assert_eq!(script(source, Dialect::Posix), expected, "{source}");
        assert_eq!(script(source, Dialect::Bash), expected, "{source} (bash)");
    }
    for (source, expected) in [
        ("echo $'a\\'{{ x }}'", r#"echo $'a\''"${AMFLOW_V0}"$''"#),
        ("[[ {{ x }} == a* ]] && echo {{ x }}", r#"[[ "${AMFLOW_V0}" == a* ]] && echo "${AMFLOW_V1}""#),
        ("[[ {{ n }} -gt 5 ]]", r#"[[ "${AMFLOW_V0}" -gt 5 ]]"#),
        ("(( {{ n }} > 1 ))", "(( ${AMFLOW_V0} > 1 ))"),
        ("a=({{ list }} '{{ x }}')", r#"a=("${AMFLOW_V0}" "${AMFLOW_V1}" ''"${AMFLOW_V2}"'')"#),
        ("diff <(echo {{ x }}) f", r#"diff <(echo "${AMFLOW_V0}") f"#),
        ("a[{{ n }}]=1", r#"a["${AMFLOW_V0}"]=1"#),
        ("ls {a,{{ x }}} @(b|{{ x }})", r#"ls {a,"${AMFLOW_V0}"} @(b|"${AMFLOW_V1}")"#),
    ] {
        assert_eq!(script(source, Dialect::Bash), expected, "{source}");
    }
}

#[test]
fn places_where_no_value_can_stand_are_refused_when_the_playbook_is_read() {
    for (source, code) in [
        ("{{ x }}", "shell-command-position"),
        ("{{ x }} -l", "shell-command-position"),
        ("/usr/bin/{{ x }} a", "shell-command-position"),
        ("A=1 {{ x }}", "shell-command-position"),
        ("a && {{ x }}", "shell-command-position"),
        ("a | {{ x }}", "shell-command-position"),
        ("if {{ x }}; then a; fi", "shell-command-position"),
        ("$(echo {{ x }}) a", "shell-command-position"),
        ("sudo -u root {{ x }}", "shell-command-position"),
        ("env A=1 {{ x }}", "shell-command-position"),
        ("timeout 5 {{ x }}", "shell-command-position"),
        ("exec {{ x }}", "shell-command-position"),
        (". {{ x }}", "shell-command-position"),
        ("source ./{{ x }}", "shell-command-position"),
        ("sh {{ x }}", "shell-command-position"),
        ("bash -x -- {{ x }}", "shell-command-position"),
        ("python3 {{ x }}", "shell-command-position"),
        ("find . -exec {{ x }} \\;", "shell-command-position"),
        ("echo `echo {{ x }}`", "shell-backticks"),
        ("echo \"`echo '{{ x }}'`\"", "shell-backticks"),
        ("echo ${a:-{{ x }}}", "shell-parameter-expansion"),
        ("echo \"${a:-\"{{ x }}\"}\"", "shell-parameter-expansion"),
        ("echo \\{{ x }}", "shell-after-escape"),
        ("echo \"\\{{ x }}\"", "shell-after-escape"),
        ("echo ${{ x }}", "shell-after-escape"),
        ("echo \"${{ x }}\"", "shell-after-escape"),
        ("cat <<'EOF'\n{{ x }}\nEOF\n", "shell-quoted-here-document"),
        ("cat <<\\EOF\n{{ x }}\nEOF\n", "shell-quoted-here-document"),
        ("cat <<{{ x }}\na\n", "shell-here-delimiter"),
        ("cat <<EOF\n`{{ x }}`\nEOF\n", "shell-backticks"),
        ("echo $\"{{ x }}\"", "shell-translated"),
        ("for {{ x }} in a; do b; done", "shell-name"),
        ("read {{ x }}", "shell-name"),
        ("unset {{ x }}", "shell-name"),
        ("export {{ x }}", "shell-name"),
        ("declare {{ x }}=1", "shell-name"),
        ("let {{ x }}", "shell-name"),
        ("test -v {{ x }}", "shell-name"),
        ("[[ -v {{ x }} ]]", "shell-name"),
        ("printf -v {{ x }} a", "shell-name"),
        ("printf {{ x }}", "shell-printf-format"),
        ("printf \"{{ x }}\\n\"", "shell-printf-format"),
        ("eval {{ x }}", "shell-read-again"),
        ("eval \"echo {{ x }}\"", "shell-read-again"),
        ("sh -c 'echo {{ x }}'", "shell-read-again"),
        ("bash -ec \"echo {{ x }}\"", "shell-read-again"),
        ("bash -c -x 'echo {{ x }}'", "shell-read-again"),
        ("bash -O extglob -c 'echo {{ x }}'", "shell-read-again"),
        ("sudo -u root bash -c 'echo {{ x }}'", "shell-read-again"),
        ("su - postgres -c 'echo {{ x }}'", "shell-read-again"),
        ("ssh host df {{ x }}", "shell-read-again"),
        ("ssh -p 22 host 'df {{ x }}'", "shell-read-again"),
        ("kubectl exec pod -- sh -c 'echo {{ x }}'", "shell-read-again"),
        ("docker exec web sh -c 'echo {{ x }}'", "shell-read-again"),
        ("find . -exec sh -c 'echo {{ x }}' \\;", "shell-read-again"),
        ("xargs sh -c 'echo {{ x }}'", "shell-read-again"),
        ("watch df {{ x }}", "shell-read-again"),
        ("trap 'echo {{ x }}' EXIT", "shell-read-again"),
        ("eval \"$(echo {{ x }})\"", "shell-read-again"),
        ("a={{ x }}; eval \"$a\"", "shell-read-again"),
        ("a={{ x }}; b=$a; ssh host \"ls $b\"", "shell-read-again"),
        ("a={{ x }}; $a -l", "shell-command-position"),
        ("a={{ x }}; sudo \"$a\"", "shell-command-position"),
        ("a={{ x }}; . \"$a\"", "shell-command-position"),
        ("read a <<EOF\n{{ x }}\nEOF\n$a", "shell-command-position"),
        ("f() { \"$@\"; }; f {{ x }}", "shell-command-position"),
        ("f() { shift; \"$@\"; }; f a {{ x }}", "shell-command-position"),
        ("g() { f {{ x }}; }; f() { eval \"$1\"; }; g", "shell-read-again"),
        ("sh -c 'eval \"$1\"' sh {{ x }}", "shell-read-again"),
        ("sh -c '\"$@\"' sh {{ x }}", "shell-command-position"),
        ("sh -c '$1' sh {{ x }}", "shell-command-position"),
        ("V={{ x }} sh -c 'eval \"$V\"'", "shell-read-again"),
        ("printf '%s\\0' {{ x }} | xargs -0 sh -c '$1' sh", "shell-command-position"),
        ("busybox sh -c {{ x }}", "shell-read-again"),
        ("compgen -W {{ x }}", "shell-read-again"),
        ("enable -f {{ x }} a", "shell-name"),
        ("PATH={{ x }} ls", "shell-special-variable"),
        ("export LD_PRELOAD={{ x }}", "shell-special-variable"),
        ("env BASH_ENV={{ x }} bash a.sh", "shell-special-variable"),
        ("a={{ x }}; PS4=$a; set -x", "shell-special-variable"),
        ("cat <<$a\n$a\neval {{ x }}", "shell-lost"),
        ("echo $\\\n(( {{ x }} ))", "shell-lost"),
        ("echo {{ x }} 'a", "shell-unclosed"),
        ("echo {{ x }} \"a", "shell-unclosed"),
        ("echo $(ls {{ x }}", "shell-unclosed"),
        ("case a in a) ls {{ x }}", "shell-unclosed"),
        ("ls {{ x }} ${a", "shell-unclosed"),
        ("{{ x }}() { ls; }", "shell-command-position"),
        // Commands that are not known.
        ("$tool {{ x }}", "shell-unknown-command"),
        ("sudo $tool {{ x }}", "shell-unknown-command"),
        ("timeout 5 \"$tool\" -c {{ x }}", "shell-unknown-command"),
        ("\"$0\" -c {{ x }}", "shell-unknown-command"),
        ("$(command -v sh) -c {{ x }}", "shell-unknown-command"),
        ("`which sh` -c {{ x }}", "shell-unknown-command"),
        ("${SHELL:-sh} -c {{ x }}", "shell-unknown-command"),
        ("{eval,echo} {{ x }}", "shell-unknown-command"),
        ("/bin/s? -c {{ x }}", "shell-unknown-command"),
        ("a={{ x }}; $tool -c \"$a\"", "shell-unknown-command"),
        ("echo {{ x }} | $tool", "shell-unknown-command"),
        ("echo {{ x }} > f; $tool < f", "shell-unknown-command"),
        ("read tool < f; $tool {{ x }}", "shell-unknown-command"),
        ("tool=ls; tool=$1; $tool {{ x }}", "shell-unknown-command"),
        ("tool=ls; read tool; $tool {{ x }}", "shell-unknown-command"),
        ("tool=${SHELL:-sh}; $tool {{ x }}", "shell-unknown-command"),
        ("IFS=:; a=sh:-c; $a {{ x }}", "shell-unknown-command"),
        ("a='*'; $a {{ x }}", "shell-unknown-command"),
        ("f() { \"$1\" -c \"$2\"; }; f sh {{ x }}", "shell-read-again"),
        ("f() { \"$1\" -c \"$2\"; }; f \"$tool\" {{ x }}", "shell-unknown-command"),
        ("f() { $1; }; f $nothing {{ x }}", "shell-command-position"),
        ("f() { \"$@\"; }; f $nothing sh -c {{ x }}", "shell-unknown-command"),
        ("f() { c=$1; shift; $c \"$@\"; }; f sh {{ x }}", "shell-command-position"),
        ("a=eval; $a {{ x }}", "shell-read-again"),
        ("a='sh -c'; $a {{ x }}", "shell-read-again"),
        ("a='sh -c'; for i in a b; do $a {{ x }}; a=ls; done", "shell-read-again"),
        ("for a in ls eval; do $a {{ x }}; done", "shell-read-again"),
        ("a=sh; b=-c; $a $b {{ x }}", "shell-read-again"),
        ("opts=-c; sh $opts {{ x }}", "shell-read-again"),
        ("sh -c 'a=eval; $a \"$1\"' sh {{ x }}", "shell-read-again"),
        ("a=sudo; $a {{ x }}", "shell-command-position"),
        ("a=; $a {{ x }}", "shell-command-position"),
        ("f() { \"$@\"; }; f sh -c {{ x }}", "shell-read-again"),
        ("f() { sudo \"$@\"; }; f sh -c {{ x }}", "shell-read-again"),
        ("f() { timeout 5 \"$@\"; }; f eval {{ x }}", "shell-read-again"),
        ("f() { \"$@\" {{ x }}; }; f sh -c", "shell-read-again"),
        ("f() { \"$@\"; }; g() { f sh \"$@\"; }; g -c {{ x }}", "shell-read-again"),
        ("sh $options {{ x }}", "shell-hidden-options"),
        ("sh \"$option\" {{ x }}", "shell-hidden-options"),
        ("sh -$(echo c) {{ x }}", "shell-hidden-options"),
        ("sh -$- {{ x }}", "shell-hidden-options"),
        ("set -- -c; sh \"$@\" {{ x }}", "shell-hidden-options"),
        ("python3 \"$option\" {{ x }}", "shell-hidden-options"),
        ("psql $options -d {{ x }}", "shell-hidden-options"),
        ("a={{ x }}; sh $options \"$a\"", "shell-read-again"),
        ("f() { shift; \"$@\"; }; f 3 sh -c {{ x }}", "shell-read-again"),
        ("f() { while :; do shift; \"$@\"; done; }; f 1 2 sh -c {{ x }}", "shell-read-again"),
        ("f() { \"$@\"; }; echo {{ x }} | f sh", "shell-read-again"),
        ("set -- sh -c {{ x }}; \"$@\"", "shell-read-again"),
        ("sh -c 'exec \"$@\"' x sh -c {{ x }}", "shell-read-again"),
        ("f() { eval \"$1\"; }; export -f f; bash -c 'f \"$1\"' sh {{ x }}", "shell-read-again"),
        ("f() { eval \"$1\"; }; a=f; $a {{ x }}", "shell-read-again"),
        ("command_not_found_handle() { eval \"$2\"; }; nosuch {{ x }}", "shell-read-again"),
        ("sh -c ${AMFLOW_V0} {{ x }}", "shell-read-again"),
        ("sh -c \"$AMFLOW_V0\"; echo {{ x }}", "shell-read-again"),
        ("$AMFLOW_V0; echo {{ x }}", "shell-command-position"),
        ("a={{ x }}; eval `echo \"$a\"`", "shell-read-again"),
        ("a={{ x }}; echo `eval \"$a\"`", "shell-read-again"),
        ("{fd}>/dev/null {{ x }}", "shell-command-position"),
        ("2>/dev/null sh -c {{ x }}", "shell-read-again"),
        ("sh 2>&1 -c {{ x }}", "shell-read-again"),
        // By a pipe, a file, a function, `xargs`, `find`, another descriptor.
        ("a={{ x }}; echo \"$a\" | sh", "shell-read-again"),
        ("a={{ x }}; b=$(echo \"$a\"); $b", "shell-command-position"),
        ("echo {{ x }} > f; sh ./f", "shell-command-position"),
        ("{ echo {{ x }}; } >> dir/f; . ./dir/f", "shell-command-position"),
        ("cat > f <<EOF\n{{ x }}\nEOF\nsh f", "shell-command-position"),
        ("echo {{ x }} | tee f; chmod +x f; ./f", "shell-command-position"),
        ("t=$(mktemp); echo {{ x }} > \"$t\"; sh \"$t\"", "shell-command-position"),
        ("echo {{ x }} > f; cat f | sh", "shell-read-again"),
        ("echo {{ x }} > f; sh < f", "shell-read-again"),
        ("echo {{ x }} > f; eval \"$(cat f)\"", "shell-read-again"),
        ("echo {{ x }} > f; read a < f; eval \"$a\"", "shell-read-again"),
        ("f() { sh; }; echo {{ x }} | f", "shell-read-again"),
        ("f() { echo {{ x }}; }; f | sh", "shell-read-again"),
        ("f() { echo {{ x }}; }; $(f)", "shell-command-position"),
        ("set -- {{ x }}; for i; do $i; done", "shell-command-position"),
        ("printf '%s\\0' {{ x }} | xargs -0 sh -c", "shell-read-again"),
        ("printf '%s\\0' {{ x }} | sudo xargs -0 -I% sh -c 'echo %'", "shell-read-again"),
        ("printf '%s\\0' {{ x }} | xargs -0 --replace sh -c 'echo {}'", "shell-read-again"),
        ("printf '%s\\0' {{ x }} | xargs -0 awk", "shell-read-again"),
        ("find . -name {{ x }} -exec sh -c 'rm {}' \\;", "shell-read-again"),
        ("sh -c 'eval \"$0\"' {{ x }}", "shell-read-again"),
        ("eval \"a={{ x | shq }}\"; eval \"$a\"", "shell-read-again"),
        ("b={{ x | shq }}; eval \"a=$b\"; eval \"$a\"", "shell-read-again"),
        ("ssh host 'a={{ x | shq }}; eval \"$a\"'", "shell-read-again"),
        ("printf '%s' {{ x }} | . /dev/stdin", "shell-read-again"),
        (". /dev/stdin <<EOF\n{{ x }}\nEOF", "shell-read-again"),
        ("echo {{ x }} | sed -f -", "shell-read-again"),
        ("echo {{ x }} | psql -f -", "shell-read-again"),
        ("psql -f {{ x }}", "shell-other-language"),
        ("psql -A{{ x }}", "shell-option"),
        ("mysql -p -e {{ x }}", "shell-other-language"),
        // Options and operands that name what is run.
        ("tar -cI {{ x }} -f a.tar a", "shell-option"),
        ("tar --to-command={{ x }} -xf a.tar", "shell-option"),
        ("rsync -ave {{ x }} a b:", "shell-option"),
        ("scp -oProxyCommand={{ x }} a b:", "shell-option"),
        ("git -c core.pager={{ x }} log", "shell-option"),
        ("python3 -m {{ x }}", "shell-option"),
        ("perl -M{{ x }} a.pl", "shell-option"),
        ("java -jar {{ x }}", "shell-option"),
        ("su root {{ x }}", "shell-command-position"),
        ("runuser -u a -- {{ x }}", "shell-command-position"),
        ("kubectl exec a -- {{ x }}", "shell-command-position"),
        ("docker exec -u root a {{ x }}", "shell-command-position"),
        ("nsenter -t 1 {{ x }}", "shell-command-position"),
        ("awk -v a={{ x }} 'BEGIN { print a }'", "shell-other-language"),
        ("docker exec bash sh -c {{ x }}", "shell-read-again"),
        ("find . -exec sh -c ls sh {} \\; -exec sh -c {{ x }} \\;", "shell-read-again"),
        ("socat - EXEC:{{ x }}", "shell-other-language"),
        ("function {{ x }} { :; }", "shell-name"),
        ("echo {{ x }} | sh", "shell-read-again"),
        ("echo {{ x }} | tee f | sudo bash -s", "shell-read-again"),
        ("{ echo a; echo {{ x }}; } | psql", "shell-read-again"),
        ("echo {{ x }} | { cat | sh; }", "shell-read-again"),
        ("echo {{ x }} | ssh host", "shell-read-again"),
        ("echo {{ x }} | ssh host sudo sh", "shell-read-again"),
        ("echo {{ x }} | docker exec -i web sh", "shell-read-again"),
        ("echo {{ x }} | xargs rm", "shell-read-again"),
        ("sh <<< {{ x }}", "shell-read-again"),
        ("bash <<EOF\necho {{ x }}\nEOF\n", "shell-read-again"),
        ("cat <<EOF | ssh host\necho {{ x }}\nEOF\n", "shell-read-again"),
        ("psql <<EOF\nselect {{ x }}\nEOF\n", "shell-other-language"),
        ("ssh host sh -c {{ x | shq }}", "shell-read-again"),
        ("ssh host \"rm '{{ x | shq }}'\"", "shell-quoted-twice"),
        ("ssh host 'rm \"{{ x | shq }}\"'", "shell-quoted-twice"),
        ("ssh host '{{ x | shq }}'", "shell-command-position"),
        ("ssh -o ProxyCommand={{ x }} host", "shell-option"),
        ("ssh -oProxyCommand={{ x }} host", "shell-option"),
        ("ssh -F {{ x }} host", "shell-option"),
        ("sh -{{ x }} a", "shell-option"),
        ("python3 -c 'print({{ x }})'", "shell-other-language"),
        ("perl -ne 'print {{ x }}'", "shell-other-language"),
        ("perl -e{{ x }}", "shell-other-language"),
        ("node --eval={{ x }}", "shell-other-language"),
        ("awk '/{{ x }}/' f", "shell-other-language"),
        ("awk -F: '/{{ x }}/' f", "shell-other-language"),
        ("sed -i 's/a/{{ x }}/' f", "shell-other-language"),
        ("sed -n -e '/{{ x }}/p' f", "shell-other-language"),
        ("jq '.{{ x }}' f", "shell-other-language"),
        ("psql -Atc \"select '{{ x }}'\"", "shell-other-language"),
        ("psql --command={{ x }}", "shell-other-language"),
        ("mysql -e {{ x }}", "shell-other-language"),
        ("sudo -u postgres psql -c {{ x }}", "shell-other-language"),
        ("sqlite3 db {{ x }}", "shell-other-language"),
        ("make {{ x }}", "shell-other-language"),
        ("echo $(({{ x }} + `echo {{ x }}`))", "shell-backticks"),
        ("{% if n %}ls{% else %}eval{% endif %} {{ x }}", "shell-read-again"),
        ("{% if n %}a '{% endif %}{{ x }}", "shell-unclosed"),
    ] {
        for dialect in [Dialect::Posix, Dialect::Bash] {
            let problems = match ShellTemplate::compile(source, dialect) {
                Err(problems) => problems,
                Ok(template) => panic!("{source} is taken: {:?}", template.render(&scope("v"))),
            };
            let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
            assert!(codes.contains(&code), "{source}: {problems:?}");
            for problem in &problems {
                assert!(source[problem.range.clone()].contains('x'), "{source}: {problem:?}");
            }
        }
    }
    assert_eq!(
        ShellTemplate::compile("echo $'{{ x }}'", Dialect::Posix).expect_err("differs between shells")[0]
            .code,
        "shell-dollar-quote"
    );
}

#[test]
fn values_that_their_place_does_not_take_are_refused_when_it_is_filled() {
    for (source, value, code) in [
        ("rm {{ x }}", "-rf", "value-dash"),
        ("rm '{{ x }}'", "-rf", "value-dash"),
        ("rm ''{{ x }}", "-rf", "value-dash"),
        ("rm {{ x }}{{ x }}", "-rf", "value-dash"),
        ("ssh -- host ls {{ x | shq }}", "-rf", "value-dash"),
        ("ssh {{ x }} ls", "-oProxyCommand=id", "value-dash"),
        ("for i in {{ x }}; do ls \"$i\"; done", "-rf", "value-dash"),
        ("ls {{ x }}", "a\0b", "value-nul"),
        ("ls {{ map }}", "", "value-map"),
        ("ls \"{{ list }}\"", "", "value-list"),
        ("ls --a={{ list }}", "", "value-list"),
        ("a={{ list }}", "", "value-list"),
        ("echo $(( {{ x }} ))", "a[$(id)]", "shell-not-a-number"),
        ("echo $(( {{ x }} ))", "010", "shell-not-a-number"),
        ("echo $(( {{ x }} ))", "", "shell-not-a-number"),
        ("a={{ x }}; echo $(( a + 1 ))", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; b=$a; echo $(( $b ))", "a[$(id)]", "shell-not-a-number"),
        ("a=$(echo {{ x }}); (( a ))", "a[$(id)]", "shell-not-a-number"),
        ("echo $(( $(echo {{ x }}) ))", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; [[ $a -eq 1 ]]", "a[$(id)]", "shell-not-a-number"),
        ("[[ {{ x }} -eq 1 ]]", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo ${b[a]}", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo ${b:$a:1}", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo ${!a}", "a[$(id)]", "shell-not-a-number"),
        ("declare -i a; a={{ x }}", "a[$(id)]", "shell-not-a-number"),
        ("echo {{ x }} | while read a; do echo $(( a )); done", "a[$(id)]", "shell-not-a-number"),
        ("read a <<< {{ x }}; echo $((a))", "a[$(id)]", "shell-not-a-number"),
        ("f() { echo $(( $1 )); }; f {{ x }}", "a[$(id)]", "shell-not-a-number"),
        ("set -- {{ x }}; echo $(( $1 ))", "a[$(id)]", "shell-not-a-number"),
        ("a[{{ x }}]=1", "$(id)", "shell-not-a-number"),
        ("echo a >&{{ x }}", "$(id)", "shell-not-a-number"),
        ("echo a 2>&{{ x }}", "$(id)", "shell-not-a-number"),
        ("a={{ x }}; echo b >&\"$a\"", "$(id)", "shell-not-a-number"),
        ("for a in {{ x }}; do (( a )); done", "a[$(id)]", "shell-not-a-number"),
        ("read a <<EOF\n{{ x }}\nEOF\necho $((a))", "a[$(id)]", "shell-not-a-number"),
        ("while read a; do echo $((a)); done <<EOF\n{{ x }}\nEOF\n", "a[$(id)]", "shell-not-a-number"),
        ("bash -c 'echo $(( $1 ))' sh {{ x }}", "a[$(id)]", "shell-not-a-number"),
        ("V={{ x }} bash -c 'echo $((V))'", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; : ${b:=$a}; echo $((b))", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo \"${a@P}\"", "$(id)", "shell-not-a-number"),
        ("g() { f {{ x }}; }; f() { echo $(( $1 )); }; g", "a[$(id)]", "shell-not-a-number"),
    ] {
        let template = ShellTemplate::compile(source, Dialect::Bash)
            .unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
        let error = template.render(&scope(value)).expect_err(source);
        assert_eq!(error.code, code, "{source}: {error}");
        assert!(error.range.is_some(), "{source}");
    }
    let long = "y".repeat(121 << 10);
    let template = ShellTemplate::compile("ls {{ x }}", Dialect::Posix).expect("compiles");
    assert_eq!(template.render(&scope(&long)).expect_err("too long").code, "value-too-long");
}

#[test]
fn a_dash_is_taken_where_it_cannot_be_an_option() {
    for source in [
        "rm -- {{ x }}",
        "rm {{ x | dash_ok }}",
        "rm a{{ x }}",
        "rm --file={{ x }}",
        "a={{ x }}",
        "printf '%s\\n' {{ x }}",
        "echo a {{ x }}",
        "cat <<EOF\n{{ x }}\nEOF\n",
        "cat < {{ x }}",
        "case {{ x }} in -*) ls;; esac",
    ] {
        let template = ShellTemplate::compile(source, Dialect::Posix)
            .unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
        assert!(template.render(&scope("-rf")).is_ok(), "{source}: {:?}", template.render(&scope("-rf")));
    }
}

#[test]
fn raw_names_are_told_so_that_taint_can_be_checked() {
    let template = ShellTemplate::compile(
        "{{ cmd | raw }} {{ x }}{% set y = list | first %}; {{ y | raw }}",
        Dialect::Posix,
    )
    .expect("compiles");
    let names: Vec<String> = template.raw_references().iter().map(Reference::name).collect();
    assert_eq!(names, ["cmd", "list"]);
    for source in
        ["echo {{ x | raw | upper }}", "echo {{ (x | raw) ~ 'a' }}", "echo {{ x | dash_ok | trim }}"]
    {
        let problems = ShellTemplate::compile(source, Dialect::Posix).expect_err(source);
        assert_eq!(problems[0].code, "template-filter-not-last", "{source}");
    }
}

#[test]
fn variables_that_the_script_evaluates_are_told() {
    let template = ShellTemplate::compile("echo $((COUNT + 1)) \"${LIST[$i]}\" {{ n }}", Dialect::Bash)
        .expect("compiles");
    assert_eq!(template.variables_read_as_code().map(|(name, _)| name).collect::<Vec<_>>(), ["COUNT", "i"]);
}
