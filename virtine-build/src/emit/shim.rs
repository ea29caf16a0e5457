//! Shims: the entry points of a guest, one for each virtine.

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use crate::syntax::{Form, Function, FunctionPath};

/// The entry point of one virtine.
pub(crate) struct Shim<'a> {
    /// The number of the virtine's item.
    pub(crate) item: usize,
    pub(crate) name: String,
    pub(crate) function: &'a Function,
    /// The symbol of the shim.
    pub(crate) symbol: String,
    /// The function that runs before the snapshot.
    pub(crate) init: Option<&'a FunctionPath>,
}

/// The macro that expands to a shim, behind the path of virtine-rt.
const MACRO: &str = "::__virtine_entry!";

/// The compiler's message about a guest's source as the user knows that: without the shims.
pub(crate) fn without_shims(message: &str) -> String {
    let lines = message.split('\n').map(|line| match line.find(MACRO) {
        // The path has no blanks.
        Some(at) => line[..at].rsplit_once(' ').map_or("", |(before, _)| before),
        None => line,
    });
    lines.collect::<Vec<&str>>().join("\n")
}

/// The symbol at which the guests of a function with its own initialisation start. `symbol` is that of the
/// shim.
pub(crate) fn start_symbol(symbol: &str) -> String {
    format!("{symbol}.start")
}

impl Shim<'_> {
    /// The source of the shim, for the function's last line, so that no other line moves. `runtime` is the
    /// path of virtine-rt.
    pub(super) fn source(&self, runtime: &str) -> String {
        let module = format!("{runtime}::codec::form");
        let module: TokenStream = module.parse().unwrap_or_default();
        let form = |form: &Form| form.tokens(&module).unwrap_or_default();
        let parameters = self.function.parameters.iter().enumerate();
        let parameters: Vec<String> = parameters
            .map(|(number, parameter)| {
                let passing = parameter.passing.name();
                format!("(argument{number} {passing} {})", form(&parameter.form))
            })
            .collect();
        let init = self.init.map(|path| {
            let path = path.0.to_token_stream();
            format!("{:?} {path}", start_symbol(&self.symbol))
        });
        format!(
            " {runtime}{MACRO} {{ {} {:?} {} -> {} {}; {} }}",
            self.name,
            self.symbol,
            parameters.join(" "),
            self.function.result.name(),
            form(&self.function.result_form),
            init.unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::without_shims;

    #[test]
    fn messages_show_the_users_lines_alone() {
        let message = "error\n15 | fn f() {} ::std::__virtine_entry! { f \"virtine.f\" -> value ; }\n   | ^^^\n";
        assert_eq!(without_shims(message), "error\n15 | fn f() {}\n   | ^^^\n");
    }
}
