//! The host's side of a `#[virtine]` function.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, GenericArgument, Ident, ItemFn, Lifetime, PathArguments, PathSegment, ReturnType,
    Type,
};
use virtine_build::syntax::{Form, Function, Parameter, Passing, Settings, Sizes};

use crate::lookup::{self, Guest};
use crate::public::public;
use crate::with::{self, Names};

/// Expands the attribute. Where something is wrong, all errors and the function as the user wrote
/// it, so that nothing else breaks for want of it.
pub(crate) fn virtine(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let error = syn::Error::new(Span::call_site(), "#[virtine] stands on functions only");
            return with_errors(error, item);
        }
    };
    match checked(arguments, &function) {
        Ok(expansion) => expansion,
        Err(error) => with_errors(error, item),
    }
}

fn with_errors(error: syn::Error, item: TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    quote! { #errors #item }
}

fn checked(arguments: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let (settings, parts) = match (Settings::parse(arguments), Function::check(function)) {
        (Ok(settings), Ok(parts)) => (settings, parts),
        (Err(mut one), Err(other)) => {
            one.combine(other);
            return Err(one);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let host = lookup::host();
    let guest = lookup::guest(&function.sig.ident, &host)?;
    Ok(expand(function, &parts, &settings, &guest, &host))
}

/// ```text
/// fn square(x: i32) -> i32                      the user's signature; panics where the call fails
/// static __virtine_square: Function             the handle: image and settings
/// fn __virtine_try_square(x: i32) -> Result<..> the call under the attribute's policy
/// fn __virtine_with_square(policy) -> With..    the same calls under another: see `with`
/// mod square { use .. as try_call, with, .. }   the public names of these
/// ```
fn expand(
    function: &ItemFn,
    parts: &Function,
    settings: &Settings,
    guest: &Guest,
    host: &TokenStream,
) -> TokenStream {
    let name = &function.sig.ident;
    let handle = format_ident!("__virtine_{name}", span = Span::call_site());
    let try_call = format_ident!("__virtine_try_{name}", span = Span::call_site());
    let cfgs: Vec<&Attribute> = attributes(function, &["cfg"]);
    let stub = stub(function, parts, &handle, &try_call);
    let init = settings.init.as_ref().map(|path| init(&path.0, &cfgs));
    let definition = definition(name, settings, guest, host);
    let with_name = format_ident!("__virtine_with_{name}", span = Span::call_site());
    let cancelled_by = format_ident!("__virtine_cancelled_by_{name}", span = Span::call_site());
    let calls = format_ident!("__virtine_calls_{name}", span = Span::call_site());
    let run = format_ident!("__virtine_run_{name}", span = Span::call_site());
    let names = Names {
        with: &with_name,
        cancelled_by: &cancelled_by,
        try_call: &try_call,
        calls: &calls,
        run: &run,
        handle: &handle,
    };
    let (result, _) = result(function);
    let parameters = parameters(parts);
    let arguments = parts.parameters.iter().map(|parameter| &parameter.name);
    let arguments = quote!(#(#arguments),*);
    let signature = [&parameters, &arguments, &result];
    let running = running(function, parts, &handle, &run, host);
    let fallible = fallible(function, &try_call, &run, signature, host);
    let with = with::with(function, &names, signature, host);
    let public = public(function, &names, signature, host, guest.standing);
    let carrier = &guest.carrier;
    quote! {
        #stub
        #carrier
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static #handle: #host::expansion::Function = #definition;
        #init
        #(#cfgs)*
        #running
        #(#cfgs)*
        #fallible
        #with
        #(#cfgs)*
        #public
    }
}

/// The type of a function's result, and where it stands.
fn result(function: &ItemFn) -> (TokenStream, Span) {
    match &function.sig.output {
        ReturnType::Default => (quote!(()), function.sig.ident.span()),
        ReturnType::Type(_, ty) => (owned(ty).to_token_stream(), ty.span()),
    }
}

/// A result's type with `'static` where it leaves a lifetime out. What comes back borrows nothing, and where a
/// policy is among the parameters the compiler no longer knows which one is meant.
fn owned(ty: &Type) -> Type {
    struct Owner;
    impl VisitMut for Owner {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident == "_" {
                lifetime.ident = Ident::new("static", lifetime.ident.span());
            }
        }

        fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
            visit_mut::visit_path_segment_mut(self, segment);
            let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
                return;
            };
            // Of std's types the one that may leave it out.
            if segment.ident == "Cow" && arguments.args.len() == 1 {
                let lifetime = Lifetime::new("'static", segment.ident.span());
                arguments
                    .args
                    .insert(0, GenericArgument::Lifetime(lifetime));
            }
        }
    }
    let mut owned = ty.clone();
    Owner.visit_type_mut(&mut owned);
    owned
}

/// Has the compiler check the initialisation on the host, where it is not called.
fn init(path: &syn::Path, cfgs: &[&Attribute]) -> TokenStream {
    quote_spanned! { path.span() => #(#cfgs)* const _: fn() = #path; }
}

/// The function itself, as its callers know it. The user's own body stays inside, unused, so that
/// compiler, editor and lints see it as it was written; what is made here is spared the lints, which
/// would tell everything twice.
fn stub(function: &ItemFn, parts: &Function, handle: &Ident, try_call: &Ident) -> TokenStream {
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
        ..
    } = function;
    let (name, output, generics) = (&sig.ident, &sig.output, &sig.generics);
    let where_clause = &sig.generics.where_clause;
    let names = parts.parameters.iter().map(|parameter| &parameter.name);
    let parameters = parameters(parts);
    let lints = attributes(function, &["allow", "expect", "warn", "deny", "forbid"]);
    // An expectation can be met but once, and it is the body that meets it.
    let is_strict = |one: &Attribute| {
        ["expect", "warn", "deny", "forbid"]
            .iter()
            .any(|name| one.path().is_ident(name))
    };
    let own = attrs.iter().filter(|one| !is_strict(one));
    let mut native = sig.clone();
    native.ident = Ident::new("__virtine_native", name.span());
    quote! {
        #(#own)*
        #[allow(dead_code, clippy::all)]
        #[track_caller]
        #vis fn #name #generics(#parameters) #output #where_clause {
            #(#lints)*
            #[allow(dead_code)]
            #native #block
            match #try_call(#(#names),*) {
                ::core::result::Result::Ok(result) => result,
                ::core::result::Result::Err(error) => #handle.fail(&error),
            }
        }
    }
}

fn definition(name: &Ident, settings: &Settings, guest: &Guest, host: &TokenStream) -> TokenStream {
    let name = settings.name.clone().unwrap_or_else(|| name.to_string());
    let Guest {
        image,
        entries,
        program,
        ..
    } = guest;
    let Sizes { memory, stack } = settings.sizes();
    let (seconds, nanoseconds) = (settings.timeout.as_secs(), settings.timeout.subsec_nanos());
    let (snapshot, std) = (settings.snapshot, settings.std);
    let depth = settings.depth();
    let policy = policy(settings, host);
    quote! {
        #host::expansion::Function::new(#host::expansion::Definition {
            name: #name,
            image: #image,
            entries: #entries,
            program: #program,
            memory: #memory,
            stack: #stack,
            timeout: ::core::time::Duration::new(#seconds, #nanoseconds),
            snapshot: #snapshot,
            depth: #depth,
            std: #std,
            policy: || #policy,
        })
    }
}

/// The attribute's grants as a value.
fn policy(settings: &Settings, host: &TokenStream) -> TokenStream {
    let grants = settings.allow.iter().flat_map(|grant| {
        let method = Ident::new(grant.method, Span::call_site());
        let arguments = &grant.arguments;
        match grant.method {
            "env" => vec![quote!(.env([#(#arguments),*]))],
            _ if arguments.is_empty() => vec![quote!(.#method())],
            _ => arguments.iter().map(|one| quote!(.#method(#one))).collect(),
        }
    });
    let limits = settings.limits.iter().map(|limit| {
        let quota = Ident::new(limit.quota, Span::call_site());
        let most = limit.most;
        quote!(.limit(#host::Quota::#quota, #most))
    });
    let functions = settings.host.iter().map(|path| {
        let (name, function) = (path.name().unwrap_or_default(), &path.0);
        // On the function's name, where the compiler then says what its signature lacks.
        quote_spanned!(function.span() => .host(#name, #function))
    });
    let depth = settings.depth.map(|levels| quote!(.depth(#levels)));
    let strict = settings.strict.then(|| quote!(.strict()));
    quote!(#host::Policy::new() #(#grants)* #(#limits)* #(#functions)* #depth #strict)
}

fn fallible(
    function: &ItemFn,
    try_call: &Ident,
    run: &Ident,
    [parameters, arguments, result]: [&TokenStream; 3],
    host: &TokenStream,
) -> TokenStream {
    let (vis, generics) = (&function.vis, &function.sig.generics);
    let where_clause = &generics.where_clause;
    let about = format!(
        "Calls `{}` in a virtual machine of its own.\n\n# Errors\n\nWhatever kept it from \
         returning: see `wasp_core::Error`.",
        function.sig.ident
    );
    quote! {
        #[doc = #about]
        #[allow(dead_code, clippy::all)]
        #vis fn #try_call #generics(#parameters) -> ::core::result::Result<#result, #host::Error>
        #where_clause
        {
            #run(::core::default::Default::default(), #arguments)
        }
    }
}

/// Encodes, calls, decodes.
fn running(
    function: &ItemFn,
    parts: &Function,
    handle: &Ident,
    run: &Ident,
    host: &TokenStream,
) -> TokenStream {
    let generics = &function.sig.generics;
    let where_clause = &generics.where_clause;
    let parameters = parameters(parts);
    let pushes = parts.parameters.iter().map(|one| push(one, host));
    let (result, span) = result(function);
    let (travelling, restored) = match parts.result {
        Passing::IoResult => {
            let form = quote!(<#result as #host::expansion::IoForm>);
            (quote!(#form::Form), quote!(#form::restored(result)))
        }
        _ => formed(&parts.result_form, &result, span, host)
            .map_or((result.clone(), quote!(result)), |form| {
                (form, quote!(result.0))
            }),
    };
    let changes: Vec<Change> = parts
        .parameters
        .iter()
        .filter_map(|one| Change::of(one, host))
        .collect();
    let changed = parts.parameters.iter().rev().fold(quote!(()), |rest, one| {
        let ty = Change::of(one, host).map_or(quote!(()), |change| change.travelling);
        quote!((#ty, #rest))
    });
    let pattern = parts.parameters.iter().rev().fold(quote!(()), |rest, one| {
        let name = Change::of(one, host).map_or(quote!(()), |change| change.name.to_token_stream());
        quote!((#name, #rest))
    });
    let checks = changes.iter().filter_map(|change| change.check(host));
    let copies = changes.iter().map(Change::copy);
    // On the result's type, where the compiler then says that it lacks `Deserialize`.
    let call = quote_spanned! { span => #handle.call::<#travelling, #changed> };
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, clippy::all)]
        fn #run #generics(__options: #host::expansion::Options<'_>, #parameters)
            -> ::core::result::Result<#result, #host::Error>
        #where_clause
        {
            let (result, #pattern) = #call(
                __options,
                |arguments| { #(#pushes)* },
                // Before anything is copied, so that a failure leaves all as it was.
                |#pattern| {
                    #(#checks)*
                    ::core::result::Result::Ok(())
                },
            )?;
            #(#copies)*
            ::core::result::Result::Ok(#restored)
        }
    }
}

/// A parameter that comes back changed.
struct Change<'a> {
    parameter: &'a Parameter,
    /// What its new value is bound to.
    name: Ident,
    /// The type that it travels as.
    travelling: TokenStream,
}

impl<'a> Change<'a> {
    fn of(parameter: &'a Parameter, host: &TokenStream) -> Option<Self> {
        let Type::Reference(reference) = ungrouped(&parameter.ty) else {
            return None;
        };
        let element = &reference.elem;
        let travelling = match (parameter.passing, &**element) {
            (Passing::Mutable, _) => element.to_token_stream(),
            (Passing::MutableSlice, Type::Slice(slice)) => {
                let element = &slice.elem;
                quote_spanned! { element.span() => #host::expansion::Vec<#element> }
            }
            _ => return None,
        };
        let travelling =
            formed(&parameter.form, &travelling, element.span(), host).unwrap_or(travelling);
        Some(Self {
            parameter,
            name: format_ident!("__changed_{}", parameter.name, span = Span::call_site()),
            travelling,
        })
    }

    fn check(&self, host: &TokenStream) -> Option<TokenStream> {
        let (value, original) = (self.value(), &self.parameter.name);
        (self.parameter.passing == Passing::MutableSlice).then(|| {
            quote! { #host::expansion::check_length(&#value, #original.len())?; }
        })
    }

    fn copy(&self) -> TokenStream {
        let (value, original) = (self.value(), &self.parameter.name);
        match self.parameter.passing {
            Passing::MutableSlice => quote! {
                for (old, new) in #original.iter_mut().zip(#value) {
                    *old = new;
                }
            },
            _ => quote! { *#original = #value; },
        }
    }

    /// The new value, out of its form.
    fn value(&self) -> TokenStream {
        let name = &self.name;
        match self.parameter.form {
            Form::Own => quote!(#name),
            _ => quote!(#name.0),
        }
    }
}

/// The type that `ty` is decoded as where serde's own form will not do.
fn formed(form: &Form, ty: &TokenStream, span: Span, host: &TokenStream) -> Option<TokenStream> {
    let form = form.tokens(&quote!(#host::expansion::form))?;
    Some(quote_spanned! { span => #host::expansion::form::As<#form, #ty> })
}

fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => ungrouped(&inner.elem),
        Type::Group(inner) => ungrouped(&inner.elem),
        _ => ty,
    }
}

/// On the parameter's type, where the compiler then says that it lacks `Serialize`.
fn push(parameter: &Parameter, host: &TokenStream) -> TokenStream {
    let Parameter { name, ty, .. } = parameter;
    let span = ty.span();
    let value = match parameter.passing {
        Passing::Bytes => return quote_spanned! { span => arguments.push_bytes(#name); },
        Passing::Handle => return quote_spanned! { span => arguments.push_handle(#name); },
        Passing::MutableHandle => {
            return quote_spanned! { span => arguments.push_shared_handle(&*#name); };
        }
        Passing::Value => quote_spanned!(span => &#name),
        Passing::IoResult | Passing::Reference | Passing::Slice => quote!(#name),
        Passing::Mutable | Passing::MutableSlice => quote_spanned!(span => &*#name),
    };
    match parameter.form.tokens(&quote!(#host::expansion::form)) {
        Some(form) => quote_spanned! { span => arguments.push_as::<#form, _>(#value); },
        None => quote_spanned! { span => arguments.push(#value); },
    }
}

fn parameters(parts: &Function) -> TokenStream {
    let parameters = parts
        .parameters
        .iter()
        .map(|Parameter { name, ty, .. }| quote!(#name: #ty));
    quote!(#(#parameters),*)
}

fn attributes<'a>(function: &'a ItemFn, names: &[&str]) -> Vec<&'a Attribute> {
    let wanted = |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    function.attrs.iter().filter(wanted).collect()
}
