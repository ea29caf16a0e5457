//! The measurements, one module each.

use std::fmt;

use crate::effort::Effort;
use crate::figure::Figure;

mod aes;
mod fig11;
mod fig12;
mod fig13;
mod fig14;
mod fig3;
mod fig4;
mod fig8;
#[cfg_attr(feature = "peers", path = "figures/peers.rs")]
#[cfg_attr(not(feature = "peers"), path = "figures/no_peers.rs")]
mod peers;
mod scale;
mod table1;

/// A figure or table, by the paper's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(&'static str);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

type Measure = fn(&Effort) -> Result<Figure, String>;

/// In the paper's order, followed by measurements that go beyond it.
const ALL: [(&str, Measure); 14] = [
    ("fig2", fig8::creation),
    ("fig3", fig3::measure),
    ("table1", table1::measure),
    ("fig4", fig4::measure),
    ("fig8", fig8::measure),
    ("fig11", fig11::measure),
    ("fig12", fig12::measure),
    ("fig13_lat", fig13::latency),
    ("fig13_tput", fig13::throughput),
    ("fig14", fig14::measure),
    ("aes", aes::measure),
    ("pages", scale::pages),
    ("bytes", scale::bytes),
    ("peers", peers::measure),
];

/// Finds a figure by name.
pub(crate) fn parse(text: &str) -> Result<Name, String> {
    let names = ALL.map(|(name, _)| name);
    match names.into_iter().find(|&name| name == text) {
        Some("peers") if cfg!(not(feature = "peers")) => {
            Err("peers are measured with `--features peers` only".to_owned())
        }
        Some(name) => Ok(Name(name)),
        None => Err(format!("expected one of {}", names.join(", "))),
    }
}

/// These, or all if none is named, in the paper's order.
pub(crate) fn select(only: &[Name]) -> Vec<Name> {
    let all = ALL.map(|(name, _)| Name(name));
    let wanted = |name: &Name| match only {
        [] => cfg!(feature = "peers") || name.0 != "peers",
        _ => only.contains(name),
    };
    all.into_iter().filter(wanted).collect()
}

pub(crate) fn measure(name: Name, effort: &Effort) -> Result<Figure, String> {
    let measure = ALL.iter().find(|(known, _)| *known == name.0);
    measure.map_or_else(
        || Err("no such figure".to_owned()),
        |(_, measure)| measure(effort),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_in_the_papers_order() {
        let only = [parse("fig8").expect("known"), parse("fig3").expect("known")];
        assert_eq!(select(&only), [Name("fig3"), Name("fig8")]);
        assert!(select(&[]).len() >= 11);
        assert!(parse("fig15").is_err());
    }
}
