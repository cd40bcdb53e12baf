//! A module, section by section, with its functions in another order.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, ElementSection, ExportSection, FunctionSection,
    GlobalSection, ImportSection, MemorySection, StartSection, TableSection, TypeSection,
};
use wasmparser::{FunctionBody, Parser, Payload, TypeRef};

use crate::failure::Failure;

/// A module as it was linked.
pub(crate) struct Module<'a> {
    sections: Vec<Payload<'a>>,
    imported: usize,
    /// The type and the code of each function that it defines.
    functions: Vec<(u32, FunctionBody<'a>)>,
}

impl<'a> Module<'a> {
    /// Reads a module.
    ///
    /// # Errors
    /// When it is not one, or has what a linker of Rust programs does not write.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let (mut sections, mut imported) = (Vec::new(), 0);
        let (mut types, mut bodies) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::Version { .. } | Payload::End(_) | Payload::CustomSection(_) => {}
                section => {
                    if let Payload::ImportSection(imports) = &section {
                        for import in imports.clone().into_imports() {
                            imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                        }
                    }
                    if let Payload::FunctionSection(functions) = &section {
                        types = functions.clone().into_iter().collect::<Result<_, _>>()?;
                    }
                    sections.push(section);
                }
            }
        }
        Ok(Self { sections, imported, functions: types.into_iter().zip(bodies).collect() })
    }

    /// How many functions it imports.
    pub(crate) fn imported(&self) -> usize {
        self.imported
    }

    /// How many functions it defines.
    pub(crate) fn defined(&self) -> usize {
        self.functions.len()
    }

    /// The module with its functions in this order, each given by its place now.
    ///
    /// # Errors
    /// When it has a section that is not known here.
    pub(crate) fn write(&self, order: &[usize]) -> Result<Vec<u8>, Failure> {
        let numbers = Renumbered::new(self.imported, order);
        let mut writer = Writer { from: self, order, numbers, to: wasm_encoder::Module::new() };
        for section in &self.sections {
            writer.copy(section)?;
        }
        Ok(writer.to.finish())
    }
}

/// A module on its way into another order.
struct Writer<'m, 'a> {
    from: &'m Module<'a>,
    order: &'m [usize],
    numbers: Renumbered,
    to: wasm_encoder::Module,
}

impl<'a> Writer<'_, 'a> {
    fn copy(&mut self, section: &Payload<'a>) -> Result<(), Failure> {
        /// Copies a section with the method of [`Reencode`] for it.
        macro_rules! copy {
            ($section:expr, $kind:ident, $parse:ident) => {{
                let mut copied = $kind::new();
                self.numbers.$parse(&mut copied, $section.clone())?;
                self.to.section(&copied);
            }};
        }
        match section {
            Payload::TypeSection(types) => copy!(types, TypeSection, parse_type_section),
            Payload::ImportSection(imports) => copy!(imports, ImportSection, parse_import_section),
            Payload::TableSection(tables) => copy!(tables, TableSection, parse_table_section),
            Payload::MemorySection(all) => copy!(all, MemorySection, parse_memory_section),
            Payload::GlobalSection(globals) => copy!(globals, GlobalSection, parse_global_section),
            Payload::ExportSection(exports) => copy!(exports, ExportSection, parse_export_section),
            Payload::ElementSection(all) => copy!(all, ElementSection, parse_element_section),
            Payload::DataSection(data) => copy!(data, DataSection, parse_data_section),
            other => self.copy_in_order(other)?,
        }
        Ok(())
    }

    /// Copies a section that lists the functions, or that is only a number.
    fn copy_in_order(&mut self, section: &Payload<'a>) -> Result<(), Failure> {
        let in_order = self.order.iter().filter_map(|index| self.from.functions.get(*index));
        match section {
            Payload::FunctionSection(_) => {
                let mut types = FunctionSection::new();
                in_order.for_each(|(number, _)| {
                    types.function(*number);
                });
                self.to.section(&types);
            }
            Payload::CodeSectionStart { .. } => {
                let mut code = CodeSection::new();
                for (_, body) in in_order {
                    self.numbers.parse_function_body(&mut code, body.clone())?;
                }
                self.to.section(&code);
            }
            Payload::DataCountSection { count, .. } => {
                self.to.section(&DataCountSection { count: *count });
            }
            Payload::StartSection { func, .. } => {
                let function_index = self.numbers.function_index(*func)?;
                self.to.section(&StartSection { function_index });
            }
            Payload::TagSection(_) => return Err(Failure::Unknown("tags")),
            _ => return Err(Failure::Unknown("part of a component")),
        }
        Ok(())
    }
}

/// Functions under their new numbers.
struct Renumbered {
    imported: u32,
    /// By old place.
    places: Vec<u32>,
}

impl Renumbered {
    fn new(imported: usize, order: &[usize]) -> Self {
        let mut places = vec![0; order.len()];
        for (new, old) in (0..).zip(order) {
            if let Some(place) = places.get_mut(*old) {
                *place = new;
            }
        }
        Self { imported: u32::try_from(imported).unwrap_or(u32::MAX), places }
    }
}

impl Reencode for Renumbered {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Result<u32, reencode::Error> {
        let defined = number.checked_sub(self.imported);
        let place = defined.and_then(|place| self.places.get(place as usize));
        Ok(place.map_or(number, |place| place + self.imported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{EntityType, ExportKind, Function, ValType};

    /// Imports one function; defines two that call the import and each other, exported as `a` and `b`.
    fn linked() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([ValType::I32], []);
        let mut imports = ImportSection::new();
        imports.import("env", "host", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        functions.function(0).function(1);
        let mut exports = ExportSection::new();
        exports.export("a", ExportKind::Func, 1).export("b", ExportKind::Func, 2);
        let mut code = CodeSection::new();
        let mut a = Function::new([]);
        a.instructions().i32_const(7).call(2).end();
        let mut b = Function::new([]);
        b.instructions().call(0).call(1).end();
        code.function(&a).function(&b);
        let mut module = wasm_encoder::Module::new();
        module.section(&types).section(&imports).section(&functions);
        module.section(&exports).section(&code);
        module.finish()
    }

    fn text(bytes: &[u8]) -> String {
        let mut text = String::new();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.unwrap() {
                Payload::ExportSection(exports) => exports
                    .into_iter()
                    .map(Result::unwrap)
                    .for_each(|export| text += &format!("{}={} ", export.name, export.index)),
                Payload::CodeSectionEntry(body) => {
                    let operators = body.get_operators_reader().unwrap();
                    for operator in operators {
                        text += &format!("{:?} ", operator.unwrap());
                    }
                }
                _ => {}
            }
        }
        text
    }

    #[test]
    fn calls_and_exports_follow_a_function_to_its_new_place() {
        let linked = linked();
        let module = Module::read(&linked).unwrap();
        assert_eq!((module.imported(), module.defined()), (1, 2));
        let written = module.write(&[1, 0]).unwrap();
        wasmparser::validate(&written).unwrap();
        let call = |number: u32| format!("Call {{ function_index: {number} }}");
        let (b, a) = (format!("{} {} End", call(0), call(2)), format!("{} End", call(1)));
        assert_eq!(text(&written), format!("a=2 b=1 {b} I32Const {{ value: 7 }} {a} "));
        assert_eq!(text(&module.write(&[0, 1]).unwrap()), text(&linked));
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(Module::read(b"no module").is_err());
    }
}
