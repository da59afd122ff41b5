//! Hundreds of playbook files in a tree of directories.

use std::fs;

use serde_json::json;

use crate::support::lab::Lab;

#[test]
fn three_hundred_files_are_found_in_the_order_of_their_names() {
    let lab = Lab::alone();
    for n in (0..300).rev() {
        let folder = format!("playbooks/team-{:02}", n / 30);
        fs::create_dir_all(lab.path(&folder)).unwrap();
        let text = format!(
            "version: 1\nname: p{n:03}\nmatchers: [alertname = A, n =~ \"{n:03}|all\"]\nrecheck: never\nsteps:\n  - exec: [echo, '{n}']\n"
        );
        lab.write(&format!("{folder}/{n:03}.yaml"), &text);
    }
    for aside in ["playbooks/README.md", "playbooks/.hidden.yaml", "playbooks/team-00/001.yaml~"] {
        lab.write(aside, "no playbook");
    }
    lab.run("validate").code(0).says("300 files read: 0 problems");

    let alert = |n: &str| {
        json!([{"labels": {"alertname": "A", "n": n}, "startsAt": "2026-01-01T00:00:00Z"}]).to_string()
    };
    let one = lab.pipe("plan -o ndjson", alert("217")).code(0).ndjson();
    assert_eq!(one.len(), 1);
    assert_eq!(one[0]["playbook"], "p217");
    let all = lab.pipe("plan -o ndjson --explain", alert("all")).code(0).ndjson();
    let names: Vec<_> = all.iter().map(|verdict| verdict["playbook"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = (0..300).map(|n| format!("p{n:03}")).collect();
    assert_eq!(names, expected);

    for (n, folder) in [(299, "team-09"), (7, "team-00"), (150, "team-05")] {
        lab.write(&format!("playbooks/{folder}/{n:03}.yaml"), "version: 1\nname: broken\n");
    }
    let told = lab.run("validate").code(1).stdout;
    let places: Vec<_> = ["team-00/007.yaml:", "team-05/150.yaml:", "team-09/299.yaml:"]
        .iter()
        .map(|place| told.find(place).unwrap_or_else(|| panic!("{place} is not in\n{told}")))
        .collect();
    assert!(places.is_sorted(), "{told}");
    lab.pipe("run", alert("001")).code(2).says("nothing was started");
}
