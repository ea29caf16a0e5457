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
            " {runtime}::__virtine_entry! {{ {} {:?} {} -> {} {}; {} }}",
            self.name,
            self.symbol,
            parameters.join(" "),
            self.function.result.name(),
            form(&self.function.result_form),
            init.unwrap_or_default(),
        )
    }
}
