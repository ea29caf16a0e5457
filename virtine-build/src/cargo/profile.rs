//! The settings of the host's profile that change what a program means. Cargo tells a build script about debug
//! assertions, but not about overflow checks.

use std::path::Path;

use serde_json::Value;

/// Whether the package is built with overflow checks: by the variable of its profile, its manifest, or the profile's
/// default. `variable` reads the environment; `manifest` is the workspace's.
pub(crate) fn overflow_checks(
    out_dir: &Path,
    manifest: &Value,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<bool> {
    let mut profile = name(out_dir)?;
    // A profile inherits from another one, in the end from `dev` or `release`.
    for _ in 0..DEEPEST {
        let set = variable(&variable_of(&profile));
        let table = &manifest["profile"][&profile];
        let set = set
            .and_then(|text| text.parse().ok())
            .or(table["overflow-checks"].as_bool());
        if set.is_some() {
            return set;
        }
        profile = match (profile.as_str(), table["inherits"].as_str()) {
            ("dev", _) => return Some(true),
            ("release", _) => return Some(false),
            (_, inherited) => inherited?.to_owned(),
        };
    }
    None
}

const DEEPEST: usize = 16;

/// The variable that sets it for the profile in use.
pub(crate) fn own_variable(out_dir: &Path) -> Option<String> {
    name(out_dir).map(|profile| variable_of(&profile))
}

fn variable_of(profile: &str) -> String {
    let upper = profile.to_uppercase().replace('-', "_");
    format!("CARGO_PROFILE_{upper}_OVERFLOW_CHECKS")
}

/// The profile's name, from the folder that it has in the target folder: `target/<profile>/build/<package>/out`.
fn name(out_dir: &Path) -> Option<String> {
    let folder = out_dir.ancestors().nth(3)?.file_name()?.to_str()?;
    Some(match folder {
        "debug" => "dev".to_owned(),
        name => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn setting_is_the_profiles_or_that_of_the_one_it_inherits() {
        let manifest = json!({"profile": {
            "release": {"overflow-checks": true},
            "fast": {"inherits": "release", "overflow-checks": false},
            "small": {"inherits": "release"},
            "tested": {"inherits": "dev"},
            "lost": {"inherits": "lost"},
        }});
        let checks = |folder: &str, manifest: &Value| {
            let out = format!("/t/{folder}/build/p-0123/out");
            overflow_checks(Path::new(&out), manifest, |_| None)
        };
        let found = [
            "debug", "release", "fast", "small", "tested", "lost", "unknown",
        ]
        .map(|folder| checks(folder, &manifest));
        let expected = [
            Some(true),
            Some(true),
            Some(false),
            Some(true),
            Some(true),
            None,
            None,
        ];
        assert_eq!(found, expected);
        assert_eq!(checks("release", &Value::Null), Some(false));
        let variable = |name: &str| {
            (name == "CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS").then(|| "false".to_owned())
        };
        let out = Path::new("/t/release/build/p-0123/out");
        assert_eq!(overflow_checks(out, &manifest, variable), Some(false));
    }
}
