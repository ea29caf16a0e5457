//! The results of a run: samples, plots, and the report in Markdown and HTML.

use std::fs;
use std::path::{Path, PathBuf};

use crate::figure::Figure;
use crate::figures::Name;
use crate::host::Host;
use crate::plot;

mod csv;
mod html;
mod markdown;

/// The figures so far. Each new one is written at once.
pub(crate) struct Report {
    folder: PathBuf,
    host: Host,
    quick: bool,
    entries: Vec<Entry>,
}

/// One figure of the report.
pub(crate) struct Entry {
    name: Name,
    /// The load averages during its measurement.
    load: String,
    measured: Result<Figure, String>,
    /// One for each plot, relative to the report's folder.
    plots: Vec<PathBuf>,
}

/// How to read the samples.
const SAMPLES: &str = "Medians, with the 5th and the 95th percentile, of the raw samples in data. Their column `at` is the \
                       place on a plot's horizontal axis; where there is none, what has the same `at` was measured in turns.";

impl Report {
    pub(crate) fn new(folder: &Path, host: Host, quick: bool) -> Result<Self, String> {
        for part in ["data", "plots"] {
            let folder = folder.join(part);
            fs::create_dir_all(&folder)
                .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            host,
            quick,
            entries: Vec::new(),
        })
    }

    pub(crate) fn add(
        &mut self,
        name: Name,
        measured: Result<Figure, String>,
    ) -> Result<(), String> {
        let mut plots = Vec::new();
        if let Ok(figure) = &measured {
            let data = self.folder.join(format!("data/{name}.csv"));
            write(&data, &csv::rows(figure))?;
            for (at, picture) in figure.plots.iter().enumerate() {
                let path = PathBuf::from(match at {
                    0 => format!("plots/{name}.svg"),
                    _ => format!("plots/{name}_{}.svg", at + 1),
                });
                plot::draw(picture, &self.folder.join(&path))?;
                plots.push(path);
            }
        }
        self.entries.push(Entry {
            name,
            load: Host::load(),
            measured,
            plots,
        });
        write(&self.folder.join("report.md"), &markdown::page(self))?;
        write(&self.folder.join("report.html"), &html::page(self)?)
    }

    /// Whether every requested figure was measured.
    pub(crate) fn is_complete(&self) -> bool {
        self.entries.iter().all(|entry| entry.measured.is_ok())
    }

    /// Describes the run in one sentence.
    fn kind(&self) -> &'static str {
        match self.quick {
            true => "A quick run: fewer samples, wider spread.",
            false => "A full run.",
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
