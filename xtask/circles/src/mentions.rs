//! What the code of one module names.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree, Visibility};

/// A path that stands in the code.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// One name that a `use` brings into the module.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) path: Mention,
    /// What it is called here; `*` for everything.
    pub(crate) name: String,
    /// Other modules may name it, too.
    pub(crate) reexport: bool,
}

/// What a module names.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    pub(crate) paths: Vec<Mention>,
    pub(crate) uses: Vec<Use>,
}

impl Mentions {
    fn add_use(&mut self, tree: &UseTree, above: &[String], reexport: bool) {
        match tree {
            UseTree::Path(path) => {
                let above = [above, &[path.ident.to_string()]].concat();
                self.add_use(&path.tree, &above, reexport);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(tree, above, reexport));
            }
            UseTree::Name(name) => {
                let line = name.ident.span().start().line;
                self.name(above, &name.ident.to_string(), None, line, reexport);
            }
            UseTree::Rename(rename) => {
                let (line, new) = (rename.ident.span().start().line, rename.rename.to_string());
                self.name(above, &rename.ident.to_string(), Some(new), line, reexport);
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                let path = Mention { segments: above.to_vec(), line };
                self.uses.push(Use { path, name: "*".to_owned(), reexport });
            }
        }
    }

    fn name(
        &mut self,
        above: &[String],
        name: &str,
        new: Option<String>,
        line: usize,
        reexport: bool,
    ) {
        let mut segments = above.to_vec();
        if name != "self" {
            segments.push(name.to_owned());
        }
        let last = segments.last().cloned().unwrap_or_default();
        let path = Mention { segments, line };
        self.uses.push(Use { path, name: new.unwrap_or(last), reexport });
    }

    /// Paths in the arguments or the body of a macro. A name alone may be anything there, unless it is
    /// written like a type.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, sign: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign);
        let is_separator = |at: usize| {
            is(at, ':')
                && is(at + 1, ':')
                && matches!(&tokens[at], TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint)
        };
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let TokenTree::Group(group) = token {
                self.tokens(group.stream());
            }
            let follows_dot = at > 0 && is(at - 1, '.') && !(at > 1 && is(at - 2, '.'));
            if let TokenTree::Ident(first) = token
                && !follows_dot
            {
                let (mut segments, line) = (vec![first.to_string()], first.span().start().line);
                while is_separator(at + 1)
                    && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                {
                    segments.push(next.to_string());
                    at += 3;
                }
                if segments.len() > 1 || segments[0].starts_with(char::is_uppercase) {
                    self.paths.push(Mention { segments, line });
                }
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item(&mut self, item: &'ast Item) {
        // A module within a function is part of it; other modules are looked at by themselves.
        if !is_test(attributes(item)) && !matches!(item, Item::Mod(_)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            let reexport = !matches!(item.vis, Visibility::Inherited);
            self.add_use(&item.tree, &[], reexport);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.paths.push(Mention { segments, line: first.ident.span().start().line });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    /// `pub(super)` names no thing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// Whether an item is compiled for tests alone.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition))
    })
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            parts.is_ok_and(|parts| parts.iter().any(needs_test))
        }
        _ => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
