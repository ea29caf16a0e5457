//! The report in Markdown.

use super::{Entry, Report, SAMPLES};
use crate::figure::Table;

pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "# The paper, measured here\n\n{} {SAMPLES}\n\n",
        report.kind()
    );
    for (name, value) in &report.host.facts {
        page.push_str(&format!("* {name}: {value}\n"));
    }
    for entry in &report.entries {
        page.push_str(&section(entry));
    }
    page
}

fn section(entry: &Entry) -> String {
    let figure = match &entry.measured {
        Err(message) => return format!("\n## {}\n\nNot measured: {message}\n", entry.name),
        Ok(figure) => figure,
    };
    let mut text = format!(
        "\n## {}\n\n{} Load averages at its end: {}. Samples: `data/{}.csv`.\n",
        figure.title, figure.method, entry.load, entry.name
    );
    for (plot, path) in figure.plots.iter().zip(&entry.plots) {
        text.push_str(&format!("\n![{}]({})\n", plot.title, path.display()));
    }
    figure
        .tables
        .iter()
        .for_each(|one| text.push_str(&table(one)));
    text
}

fn table(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("\n{}\n\n{}", table.caption, line(&table.header));
    text.push_str(&format!("|{}\n", "---|".repeat(table.header.len())));
    table.rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}
