//! The modules of a crate, read from its files.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Expr, ExprLit, Item, ItemMod, Lit, Meta};

use crate::mentions::{Mentions, is_test};

/// One module: a file, or a block `mod name { … }`.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its name, empty for the outermost.
    pub(crate) name: String,
    pub(crate) parent: Option<usize>,
    /// Modules in it, by name.
    pub(crate) children: BTreeMap<String, usize>,
    /// The file it is in.
    pub(crate) file: PathBuf,
    /// What is defined in it, by name.
    pub(crate) items: HashSet<String>,
    /// What its code names.
    pub(crate) mentions: Mentions,
}

impl Module {
    /// A module of these items, without its children yet.
    fn new(name: String, parent: Option<usize>, file: &Path, items: &[Item]) -> Self {
        let mut mentions = Mentions::default();
        items.iter().for_each(|item| mentions.visit_item(item));
        Self {
            name,
            parent,
            children: BTreeMap::new(),
            file: file.to_path_buf(),
            items: items.iter().filter_map(name_of).collect(),
            mentions,
        }
    }
}

/// All modules of a crate but those of tests; the outermost comes first.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
}

/// A source file that could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Syntax { path: PathBuf, source: syn::Error },
}

/// How a file is read; tests have theirs in memory.
type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

impl Tree {
    /// The crate whose outermost module is the file `root`.
    pub(crate) fn read(root: &Path, read: ReadFile<'_>) -> Result<Self, ReadError> {
        let mut tree = Self::default();
        let below = root.parent().unwrap_or(root);
        tree.file(String::new(), None, root, below, read)?;
        Ok(tree)
    }

    /// The module's path within the crate: `crate::content::tape`.
    pub(crate) fn name(&self, module: usize) -> String {
        match self.modules[module].parent {
            None => "crate".to_owned(),
            Some(parent) => format!("{}::{}", self.name(parent), self.modules[module].name),
        }
    }

    /// Whether `module` is `above` or somewhere in it.
    pub(crate) fn is_within(&self, module: usize, above: usize) -> bool {
        let parents = std::iter::successors(Some(module), |module| self.modules[*module].parent);
        parents.into_iter().any(|module| module == above)
    }

    /// Reads a file whose own modules lie in the folder `below`.
    fn file(
        &mut self,
        name: String,
        parent: Option<usize>,
        path: &Path,
        below: &Path,
        read: ReadFile<'_>,
    ) -> Result<usize, ReadError> {
        let text = read(path).map_err(|source| ReadError::File { path: path.into(), source })?;
        let parsed = syn::parse_file(&text);
        let parsed = parsed.map_err(|source| ReadError::Syntax { path: path.into(), source })?;
        self.block(name, parent, path, below, &parsed.items, read)
    }

    fn block(
        &mut self,
        name: String,
        parent: Option<usize>,
        file: &Path,
        below: &Path,
        items: &[Item],
        read: ReadFile<'_>,
    ) -> Result<usize, ReadError> {
        let (own, file) = (self.modules.len(), file.to_path_buf());
        self.modules.push(Module::new(name, parent, &file, items));
        for item in items {
            let Item::Mod(item) = item else { continue };
            if is_test(&item.attrs) {
                continue;
            }
            let name = item.ident.to_string();
            let child = match &item.content {
                Some((_, items)) => {
                    self.block(name.clone(), Some(own), &file, &below.join(&name), items, read)?
                }
                None => self.child(item, own, &file, below, read)?,
            };
            self.modules[own].children.insert(name, child);
        }
        Ok(own)
    }

    /// `mod name;`
    fn child(
        &mut self,
        item: &ItemMod,
        parent: usize,
        file: &Path,
        below: &Path,
        read: ReadFile<'_>,
    ) -> Result<usize, ReadError> {
        let name = item.ident.to_string();
        let folder = below.join(&name);
        if let Some(path) = path_attribute(item) {
            let path = file.with_file_name(path);
            let below = path.parent().unwrap_or(&path).to_path_buf();
            return self.file(name, Some(parent), &path, &below, read);
        }
        let beside = below.join(format!("{name}.rs"));
        let path = if read(&beside).is_ok() { beside } else { folder.join("mod.rs") };
        self.file(name, Some(parent), &path, &folder, read)
    }
}

/// The file that `#[path = "…"]` names.
fn path_attribute(item: &ItemMod) -> Option<String> {
    item.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// What an item is called; `None` for one without a name, and for modules, which are looked up
/// otherwise.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
