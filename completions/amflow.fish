# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_amflow_global_optspecs
    string join \n config= q/quiet v/verbose h/help V/version
end

function __fish_amflow_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_amflow_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_amflow_using_subcommand
    set -l cmd (__fish_amflow_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c amflow -n "__fish_amflow_needs_command" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_needs_command" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_needs_command" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_needs_command" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_needs_command" -s V -l version -d 'Print version'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "demo" -d 'Show the whole thing in ten seconds, with nothing installed'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "run" -d 'Read alerts and run the playbooks that they start'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "plan" -d 'Show what would run, with its effects, and why the rest would not; changes nothing'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "serve" -d 'Listen for webhooks, poll, and work, always on'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "validate" -d 'Find every problem of every playbook, without network'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "alerts" -d 'Show the alerts that are read, filtered'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "runs" -d 'List, show, resume, cancel, retry and prune runs'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "tasks" -d 'List and show what people have to decide'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "report" -d 'Tell what happened: runs, handling and recovery times, noise; as text, JSON, Markdown or a page'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "approve" -d 'Approve what a run waits to do'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "reject" -d 'Reject what a run waits to do, which ends it'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "pause" -d 'Hold everything, or one playbook, at once and everywhere'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "unpause" -d 'End a pause'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "breakers" -d 'List and reset the breakers of playbooks that failed too often in a row'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "init" -d 'Write a configuration and a first playbook'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "alertmanager-config" -d 'Print what to paste into Alertmanager\'s configuration'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "schema" -d 'Print the JSON Schema of playbooks, the configuration or the output, or the API of `serve`'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "man" -d 'Print the manual, or write all its pages to a directory'
complete -c amflow -n "__fish_amflow_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand demo" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand demo" -l keep -d 'Keep the demo\'s directory, to look further'
complete -c amflow -n "__fish_amflow_using_subcommand demo" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand demo" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand demo" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand run" -s p -l playbooks -d 'Playbooks: a file, or a directory with all below it; may be repeated [default: the configuration\'s, ./playbooks, /etc/amflow/playbooks]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand run" -l from -d 'Read alerts from a file, standard input (-) or a URL [default: standard input when it is a pipe or a file, else a poll]' -r
complete -c amflow -n "__fish_amflow_using_subcommand run" -l filter -d 'Only alerts that this matches, such as \'severity="critical"\'; all of several must match' -r
complete -c amflow -n "__fish_amflow_using_subcommand run" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand run" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand run" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand run" -l parallel -d 'Runs worked on at the same time [default: the configuration\'s, 4]' -r
complete -c amflow -n "__fish_amflow_using_subcommand run" -l metrics-file -d 'Write the store\'s figures there when done, for the textfile collector of node_exporter [default: the configuration\'s, none]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand run" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand run" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand run" -l poll -d 'Ask Alertmanager for its alerts, whatever standard input is; a crontab needs this'
complete -c amflow -n "__fish_amflow_using_subcommand run" -l no-wait -d 'Leave runs that wait for a time or a person to the next start, and end with code 4'
complete -c amflow -n "__fish_amflow_using_subcommand run" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand run" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand plan" -s p -l playbooks -d 'Playbooks: a file, or a directory with all below it; may be repeated [default: the configuration\'s, ./playbooks, /etc/amflow/playbooks]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l from -d 'Read alerts from a file, standard input (-) or a URL [default: standard input when it is a pipe or a file, else a poll]' -r
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l filter -d 'Only alerts that this matches, such as \'severity="critical"\'; all of several must match' -r
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand plan" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l explain -d 'Say for every alert and every playbook why, or the first reason why not'
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l run-read-only -d 'Run the steps that say `read_only: true`, up to the first that changes something, to know what depends on them'
complete -c amflow -n "__fish_amflow_using_subcommand plan" -l poll -d 'Ask Alertmanager for its alerts, whatever standard input is; a crontab needs this'
complete -c amflow -n "__fish_amflow_using_subcommand plan" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand plan" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand serve" -s p -l playbooks -d 'Playbooks: a file, or a directory with all below it; may be repeated [default: the configuration\'s, ./playbooks, /etc/amflow/playbooks]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l web.listen-address -d 'Address with port to listen on; may be repeated [default: the configuration\'s, 127.0.0.1:9096]' -r
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l web.route-prefix -d 'Path before all others, such as /amflow [default: the configuration\'s, /]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l web.external-url -d 'Address that people reach it by, for links to tasks [default: the configuration\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l poll-interval -d 'How often Alertmanager is polled beside what it sends, or none [default: the configuration\'s, 1m]' -r
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l drain-timeout -d 'How long running steps may take to end after SIGTERM [default: the configuration\'s, 25s]' -r
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l log-format -d 'Form of log lines on standard error' -r -f -a "text\t'For people and journald'
json\t'One JSON document a line'"
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l parallel -d 'Runs worked on at the same time [default: the configuration\'s, 4]' -r
complete -c amflow -n "__fish_amflow_using_subcommand serve" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand serve" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand serve" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand validate" -s p -l playbooks -d 'Playbooks: a file, or a directory with all below it; may be repeated [default: the configuration\'s, ./playbooks, /etc/amflow/playbooks]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand validate" -s o -l output -d 'Form of the problems' -r -f -a "text\t'For people: source line, caret, hint'
json\t'One JSON document'
github\t'Workflow commands, which GitHub shows at the line'"
complete -c amflow -n "__fish_amflow_using_subcommand validate" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand validate" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand validate" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -l from -d 'Read alerts from a file, standard input (-) or a URL [default: standard input when it is a pipe or a file, else a poll]' -r
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -l filter -d 'Only alerts that this matches, such as \'severity="critical"\'; all of several must match' -r
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s o -l output -d 'Form of the alerts' -r -f -a "simple\t'One line an alert'
extended\t'With labels, annotations, times and the page of the rule'
json\t'The alerts in the shape of Alertmanager\'s API'
ndjson\t'The same, one a line'"
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s a -l active -d 'Only alerts of these states, as in amtool: those that are not muted'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s s -l silenced -d 'Those that are silenced'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s i -l inhibited -d 'Those that are inhibited'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -l poll -d 'Ask Alertmanager for its alerts, whatever standard input is; a crontab needs this'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand alerts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "list" -d 'List runs, newest first'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "show" -d 'Tell one run\'s whole story'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "resume" -d 'Go on with runs that are due or were left by a process that is gone'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "cancel" -d 'Cancel runs; what they are doing is ended, their finally steps run'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "retry" -d 'Do a finished run again, with the same playbook text and alerts'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "prune" -d 'Delete finished runs that are old; claims on what still fires stay'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and not __fish_seen_subcommand_from list show resume cancel retry prune help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l status -d 'Only runs of this status: queued, running, waiting, succeeded, failed, cancelled, rejected' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l playbook -d 'Only runs of this playbook' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l since -d 'Only runs that started from then on: a time ago (24h), a day (2026-11-01, UTC) or a time (RFC 3339)' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l until -d 'Only runs that started before then' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l limit -d 'At most so many; 0 is all' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -s f -l follow -d 'Go on with a line for every run that starts, ends or comes to wait'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -s f -l follow -d 'Go on with what happens until the run is over'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l parallel -d 'Runs worked on at the same time [default: the configuration\'s, 4]' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l metrics-file -d 'Write the store\'s figures there when done, for the textfile collector of node_exporter [default: the configuration\'s, none]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -l no-wait -d 'Leave runs that wait for a time or a person to the next start, and end with code 4'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l alertmanager.url -d 'Where Alertmanager is; repeated for every peer of a cluster [default: the configuration\'s, then amtool\'s]' -r -f
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l http.config.file -d 'How to talk to it: a file with Prometheus\' `http_config`, as amtool takes it' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l parallel -d 'Runs worked on at the same time [default: the configuration\'s, 4]' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l metrics-file -d 'Write the store\'s figures there when done, for the textfile collector of node_exporter [default: the configuration\'s, none]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -l no-wait -d 'Leave runs that wait for a time or a person to the next start, and end with code 4'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -l keep -d 'Keep finished runs for so long' -r
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say how many would go'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "list" -d 'List runs, newest first'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "show" -d 'Tell one run\'s whole story'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Go on with runs that are due or were left by a process that is gone'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'Cancel runs; what they are doing is ended, their finally steps run'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "retry" -d 'Do a finished run again, with the same playbook text and alerts'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Delete finished runs that are old; claims on what still fires stay'
complete -c amflow -n "__fish_amflow_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'List open tasks, those that wait longest first'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'Show one: what is asked of whom, and what happens then'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -l playbook -d 'Only of this playbook' -r
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -l run -d 'Only of this run: its id, or its beginning or end' -r
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -l mine -d 'Only those that you may decide, and have not approved yet'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from show" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from show" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from help" -f -a "list" -d 'List open tasks, those that wait longest first'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one: what is asked of whom, and what happens then'
complete -c amflow -n "__fish_amflow_using_subcommand tasks; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand report" -l since -d 'Runs that started from then on: a time ago (7d), a day (2026-11-01, UTC) or a time (RFC 3339)' -r
complete -c amflow -n "__fish_amflow_using_subcommand report" -l until -d 'Runs that started before then [default: now]' -r
complete -c amflow -n "__fish_amflow_using_subcommand report" -l playbook -d 'Only runs of this playbook' -r
complete -c amflow -n "__fish_amflow_using_subcommand report" -s o -l output -d 'Form of the report' -r -f -a "text\t'For a terminal'
json\t'One JSON document'
markdown\t'For a ticket or a wiki'
html\t'One page with a timeline, which needs nothing else'"
complete -c amflow -n "__fish_amflow_using_subcommand report" -l output-file -d 'Write the report there instead of to standard output, whole or not at all' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand report" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand report" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand report" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand report" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand approve" -l set -d 'An answer to a question of the task; repeated for several' -r
complete -c amflow -n "__fish_amflow_using_subcommand approve" -l comment -d 'Why, for those who will wonder' -r
complete -c amflow -n "__fish_amflow_using_subcommand approve" -l digest -d 'Only if this is still what is asked: the digest that `amflow tasks show` prints' -r
complete -c amflow -n "__fish_amflow_using_subcommand approve" -l as -d 'Decide in the name of another; the configuration says who may (`people.may_act_as_others`)' -r
complete -c amflow -n "__fish_amflow_using_subcommand approve" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand approve" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand approve" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand approve" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand approve" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand reject" -l comment -d 'Why, for those who will wonder' -r
complete -c amflow -n "__fish_amflow_using_subcommand reject" -l digest -d 'Only if this is still what is asked: the digest that `amflow tasks show` prints' -r
complete -c amflow -n "__fish_amflow_using_subcommand reject" -l as -d 'Decide in the name of another; the configuration says who may (`people.may_act_as_others`)' -r
complete -c amflow -n "__fish_amflow_using_subcommand reject" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand reject" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand reject" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand reject" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand reject" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand reject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand pause" -l playbook -d 'Only this playbook' -r
complete -c amflow -n "__fish_amflow_using_subcommand pause" -l for -d 'For so long, such as 30m or 2h [default: until `amflow unpause`]' -r
complete -c amflow -n "__fish_amflow_using_subcommand pause" -l reason -d 'Why, for those who will wonder' -r
complete -c amflow -n "__fish_amflow_using_subcommand pause" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand pause" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand pause" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand pause" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand pause" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand unpause" -l playbook -d 'Only this playbook' -r
complete -c amflow -n "__fish_amflow_using_subcommand unpause" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand unpause" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand unpause" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand unpause" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand unpause" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -f -a "list" -d 'List the breakers that count failures'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -f -a "reset" -d 'Close a breaker again; runs start one by one at first'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and not __fish_seen_subcommand_from list reset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the data on standard output' -r -f -a "text\t'For people'
json\t'One JSON document'
ndjson\t'One JSON document a line, as things happen'"
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from list" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from list" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from reset" -l store -d 'Directory of the store [default: the configuration\'s, /var/lib/amflow where it exists, ~/.local/state/amflow]' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from reset" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from reset" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from reset" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the breakers that count failures'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from help" -f -a "reset" -d 'Close a breaker again; runs start one by one at first'
complete -c amflow -n "__fish_amflow_using_subcommand breakers; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand init" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand init" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand init" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand init" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand alertmanager-config" -l equal -d 'A label by which a mute finds its alert; may be repeated [default: the labels of common rule sets]' -r
complete -c amflow -n "__fish_amflow_using_subcommand alertmanager-config" -l receiver -d 'The receiver that tells people of failed runs and open breakers' -r
complete -c amflow -n "__fish_amflow_using_subcommand alertmanager-config" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand alertmanager-config" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand alertmanager-config" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand alertmanager-config" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand schema" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand schema" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand schema" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c amflow -n "__fish_amflow_using_subcommand completions" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand completions" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand completions" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand completions" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand man" -l dir -d 'Write a page for every command to this directory, instead of printing the first' -r -f -a "(__fish_complete_directories)"
complete -c amflow -n "__fish_amflow_using_subcommand man" -l config -d 'Configuration [default: $AMFLOW_CONFIG, ./amflow.yaml, ~/.config/amflow/config.yaml, /etc/amflow/config.yaml]' -r -F
complete -c amflow -n "__fish_amflow_using_subcommand man" -s q -l quiet -d 'Say only what went wrong'
complete -c amflow -n "__fish_amflow_using_subcommand man" -s v -l verbose -d 'Say more; may be repeated'
complete -c amflow -n "__fish_amflow_using_subcommand man" -s h -l help -d 'Print help'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "demo" -d 'Show the whole thing in ten seconds, with nothing installed'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "run" -d 'Read alerts and run the playbooks that they start'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "plan" -d 'Show what would run, with its effects, and why the rest would not; changes nothing'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "serve" -d 'Listen for webhooks, poll, and work, always on'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "validate" -d 'Find every problem of every playbook, without network'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "alerts" -d 'Show the alerts that are read, filtered'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "runs" -d 'List, show, resume, cancel, retry and prune runs'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "tasks" -d 'List and show what people have to decide'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "report" -d 'Tell what happened: runs, handling and recovery times, noise; as text, JSON, Markdown or a page'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "approve" -d 'Approve what a run waits to do'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "reject" -d 'Reject what a run waits to do, which ends it'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "pause" -d 'Hold everything, or one playbook, at once and everywhere'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "unpause" -d 'End a pause'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "breakers" -d 'List and reset the breakers of playbooks that failed too often in a row'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "init" -d 'Write a configuration and a first playbook'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "alertmanager-config" -d 'Print what to paste into Alertmanager\'s configuration'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "schema" -d 'Print the JSON Schema of playbooks, the configuration or the output, or the API of `serve`'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "completions" -d 'Print the completions of a shell'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "man" -d 'Print the manual, or write all its pages to a directory'
complete -c amflow -n "__fish_amflow_using_subcommand help; and not __fish_seen_subcommand_from demo run plan serve validate alerts runs tasks report approve reject pause unpause breakers init alertmanager-config schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "list" -d 'List runs, newest first'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "show" -d 'Tell one run\'s whole story'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "resume" -d 'Go on with runs that are due or were left by a process that is gone'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "cancel" -d 'Cancel runs; what they are doing is ended, their finally steps run'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "retry" -d 'Do a finished run again, with the same playbook text and alerts'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "prune" -d 'Delete finished runs that are old; claims on what still fires stay'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from tasks" -f -a "list" -d 'List open tasks, those that wait longest first'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from tasks" -f -a "show" -d 'Show one: what is asked of whom, and what happens then'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from breakers" -f -a "list" -d 'List the breakers that count failures'
complete -c amflow -n "__fish_amflow_using_subcommand help; and __fish_seen_subcommand_from breakers" -f -a "reset" -d 'Close a breaker again; runs start one by one at first'
