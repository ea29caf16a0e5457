//! The report as one HTML file, including its plots.

use std::fs;

use super::{Entry, Report, SAMPLES};
use crate::figure::Table;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}\
    table{border-collapse:collapse;margin:1em 0;font-size:14px}\
    td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}\
    td+td{text-align:right}svg{max-width:100%;height:auto}";

pub(super) fn page(report: &Report) -> Result<String, String> {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>The paper, measured here</title>\
         <style>{STYLE}</style></head><body>\n<h1>The paper, measured here</h1>\n<p>{} {SAMPLES}</p>\n<ul>\n",
        report.kind()
    );
    for (name, value) in &report.host.facts {
        page.push_str(&format!("<li>{name}: {}</li>\n", escape(value)));
    }
    page.push_str("</ul>\n");
    for entry in &report.entries {
        page.push_str(&section(report, entry)?);
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn section(report: &Report, entry: &Entry) -> Result<String, String> {
    let figure = match &entry.measured {
        Err(message) => {
            let message = escape(message);
            return Ok(format!(
                "<h2>{}</h2>\n<p>Not measured: {message}</p>\n",
                entry.name
            ));
        }
        Ok(figure) => figure,
    };
    let mut text = format!(
        "<h2>{}</h2>\n<p>{} Load averages at its end: {}. Samples: <code>data/{}.csv</code>.</p>\n",
        figure.title,
        escape(&figure.method),
        entry.load,
        entry.name
    );
    for path in &entry.plots {
        let path = report.folder.join(path);
        let svg = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        text.push_str(&svg);
    }
    figure
        .tables
        .iter()
        .for_each(|one| text.push_str(&table(one)));
    Ok(text)
}

fn table(table: &Table) -> String {
    let cells = |cells: &[String], tag: &str| -> String {
        let cell = |text: &String| format!("<{tag}>{}</{tag}>", escape(text));
        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
    };
    let rows: String = table.rows.iter().map(|row| cells(row, "td")).collect();
    let header = cells(&table.header, "th");
    format!(
        "<p>{}</p>\n<table>\n{header}{rows}</table>\n",
        escape(&table.caption)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
