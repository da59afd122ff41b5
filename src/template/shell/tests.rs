//! Scripts and what becomes of their holes, by table. That no value is executed is shown with real shells in `tests/it/hostile.rs`.

mod honest;
mod refused;

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
fn values_that_their_place_does_not_take_are_refused_when_it_is_filled() {
    let mut wrong: Vec<String> = Vec::new();
    for (source, value, code) in [
        ("rm {{ x }}", "-rf", "value-dash"),
        ("rm '{{ x }}'", "-rf", "value-dash"),
        ("rm ''{{ x }}", "-rf", "value-dash"),
        ("rm {{ x }}{{ x }}", "-rf", "value-dash"),
        ("ssh -- host ls {{ x | shq }}", "-rf", "value-dash"),
        ("ssh {{ x }} ls", "-oProxyCommand=id", "value-dash"),
        ("for i in {{ x }}; do ls \"$i\"; done", "-rf", "value-dash"),
        ("a={{ x }}; tar cf a \"$a\"", "-rf", "value-dash"),
        ("a={{ x }}; rm $a", "-rf", "value-dash"),
        ("a=b\\ {{ x }}; rm $a", "-rf", "value-dash"),
        ("a=\"{{ x }} b\"; rm \"$a\"", "-rf", "value-dash"),
        ("a={{ x }}; b=$a; rm \"$b\"", "-rf", "value-dash"),
        ("a={{ x }}; rm \"${a%/}\"", "-rf", "value-dash"),
        ("a=$(echo b {{ x }}); rm \"$a\"", "-rf", "value-dash"),
        ("rm \"$(echo b {{ x }})\"", "-rf", "value-dash"),
        ("f() { rm \"$2\"; }; f -- {{ x }}", "-rf", "value-dash"),
        ("set -- {{ x }}; rm \"$@\"", "-rf", "value-dash"),
        ("printf '%s\\n' {{ x }} | while read -r a; do rm \"$a\"; done", "-rf", "value-dash"),
        ("sudo -- rm {{ x }}", "-rf", "value-dash"),
        ("kubectl exec a -- rm {{ x }}", "-rf", "value-dash"),
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
        ("b={{ x }}; a=b; echo $((a))", "a[$(id)]", "shell-not-a-number"),
        ("b={{ x }}; c=b+1; a=c; (( a > 1 ))", "a[$(id)]", "shell-not-a-number"),
        ("b={{ x }}; for a in b c; do echo $((a)); done", "a[$(id)]", "shell-not-a-number"),
        ("b={{ x }}; [[ b -gt 5 ]]", "a[$(id)]", "shell-not-a-number"),
        ("b={{ x }}; a=b; [[ $a -gt 5 ]]", "a[$(id)]", "shell-not-a-number"),
        ("b={{ x }}; let 'a = b'", "a[$(id)]", "shell-not-a-number"),
        ("b={{ x }}; declare -i a=b", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; for ((i = 0; i < a; i++)); do :; done", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo ${b:0:a}", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo ${b[a]:-c}", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; unset \"b[$a]\"", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; printf -v \"$a\" b", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; read \"$a\" < f", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; test -v \"$a\"", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; b[a]=1", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; b=([a]=1)", "a[$(id)]", "shell-not-a-number"),
        ("declare \"a[{{ x }}]=1\"", "a[$(id)]", "shell-not-a-number"),
        ("declare -n a={{ x }}", "a[$(id)]", "shell-not-a-number"),
        ("f() { local -n a={{ x }}; }", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo $[a]", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo \"$((a))\"", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; cat <<E\n$((a))\nE", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; eval 'echo $((a))'", "a[$(id)]", "shell-not-a-number"),
        ("a={{ x }}; echo `echo $((a))`", "a[$(id)]", "shell-not-a-number"),
        ("[[ 1 -eq $(echo {{ x }}) ]]", "a[$(id)]", "shell-not-a-number"),
    ] {
        let template = ShellTemplate::compile(source, Dialect::Bash)
            .unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
        match template.render(&scope(value)) {
            Ok(script) => wrong.push(format!("{source}: {script:?}")),
            Err(error) if error.code != code || error.range.is_none() => {
                wrong.push(format!("{source}: {error}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
        "a={{ x }}; [ \"$a\" = b ] || echo \"$a\"",
        "a=\"b {{ x }}\"; logger \"$a\"",
        "a={{ x }}; rm -- \"$a\"",
        "a={{ x }}; rm \"./$a\"",
        "a={{ x | dash_ok }}; rm \"$a\"",
        "a={{ x }}; printf '%s' \"$a\" | wc -l; exit \"$a\"",
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
    let names: Vec<String> =
        template.references().iter().filter(|reference| reference.raw).map(Reference::name).collect();
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
