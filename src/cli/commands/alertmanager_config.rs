//! `amflow alertmanager-config`: what to paste into Alertmanager's configuration, so that runs can mute
//! exactly the alert they work on, and nobody is paged for amflow's own alerts.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Exit};
use crate::model::labels::is_classic_label_name;

const EXAMPLES: &str = "\
Examples:
  amflow alertmanager-config                       for common rule sets
  amflow alertmanager-config --equal alertname --equal pod
                                                   yours
  amflow alertmanager-config --receiver sre > part.yml

`equal` must name every label that tells your alerts apart: a label that both
sides lack counts as equal. The output is a whole configuration, which
`amtool check-config` accepts; take its parts over into yours.";

/// Labels that tell alerts of common rule sets apart: node exporter, blackbox, Kubernetes, databases, systemd,
/// Prometheus itself. One that an alert does not have harms nothing; one that is missing here mutes more than one
/// alert: rule sets give the same name to a warning and to the critical alert after it.
const USUAL: [&str; 44] = [
    "alertname",
    "severity",
    "cluster",
    "environment",
    "env",
    "region",
    "prometheus",
    "namespace",
    "job",
    "instance",
    "service",
    "endpoint",
    "node",
    "pod",
    "uid",
    "container",
    "workload",
    "deployment",
    "statefulset",
    "daemonset",
    "replicaset",
    "job_name",
    "cronjob",
    "horizontalpodautoscaler",
    "poddisruptionbudget",
    "persistentvolumeclaim",
    "persistentvolume",
    "resource",
    "condition",
    "reason",
    "phase",
    "verb",
    "device",
    "mountpoint",
    "fstype",
    "name",
    "state",
    "type",
    "chip",
    "sensor",
    "datname",
    "long",
    "short",
    "target",
];

/// The arguments of `amflow alertmanager-config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlertmanagerConfigArgs {
    /// A label by which a mute finds its alert; may be repeated [default: the labels of common rule sets]
    #[arg(long, value_name = "LABEL")]
    pub equal: Vec<String>,
    /// The receiver that tells people of failed runs and open breakers
    #[arg(long, value_name = "NAME", default_value = "people")]
    pub receiver: String,
}

/// Writes a list in lines that people can read.
fn listed(names: &[&str]) -> String {
    let lines = names.chunks(8).map(|line| format!("        {},\n", line.join(", ")));
    let text: String = lines.collect();
    format!("      [\n{text}      ]\n")
}

/// Prints the configuration.
pub(super) fn run(args: &AlertmanagerConfigArgs, context: &Context) -> Result<Exit, CliError> {
    let equal: Vec<&str> =
        if args.equal.is_empty() { USUAL.to_vec() } else { args.equal.iter().map(String::as_str).collect() };
    if let Some(bad) = equal.iter().find(|name| !is_classic_label_name(name)) {
        return Err(CliError::usage(format_args!("--equal {bad}: not a label name")));
    }
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let receiver = quoted(&args.receiver);
    context.ui.data(&format!(
        r#"# For amflow. Take the parts over into your Alertmanager's configuration.
route:
  receiver: {receiver}
  routes:
    # First of all routes: amflow's own alerts. Failed runs and open breakers go to people, what only
    # mutes goes to nobody.
    - matchers: ['amflow_state="failed"']
      receiver: {receiver}
      group_by: [alertname, amflow_playbook]
    - matchers: ['amflow_state=~".+"']
      receiver: amflow-nobody
    # Your routes follow here.

receivers:
  - name: amflow-nobody
  - name: {receiver}          # yours: with its e-mail, chat or pager

inhibit_rules:
  # While a run works on an alert, exactly that alert is muted: amflow posts one with the same labels and
  # amflow_state="running". Every label that tells your alerts apart must be listed.
  - source_matchers: ['amflow_state="running"']
    target_matchers: ['amflow_state=""']
    equal:
{}"#,
        listed(&equal)
    ));
    Ok(Exit::Done)
}
