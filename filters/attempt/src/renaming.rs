//! Another model than the one that was asked for, where the endpoint of an attempt says so in its metadata
//! (`weir: {model: NAME}`): it makes a fallback to another pool one to another model.
//!
//! The request is read and edited once more for such an attempt alone. What others are sent is as the router has left it.

use weir_host::{HeaderMap, Host};
use weir_request::{BodyReader, RequestHead, edit_body};
use weir_wire::edit;

/// Where an endpoint says what it serves.
const MODEL: [&str; 5] = ["xds", "upstream_host_metadata", "filter_metadata", "weir", "model"];

/// A request whose body is read for the place of its model.
pub(crate) struct Renaming {
    model: String,
    head: RequestHead,
    reader: BodyReader,
}

/// What is to be done with a request whose headers have come.
pub(crate) enum Begun {
    /// Its endpoint serves what was asked for.
    Nothing,
    /// It has been done: the model stands in the path.
    Done,
    /// Its headers are to be held until its body has come.
    Holds(Box<Renaming>),
    /// The model cannot be replaced: the request goes on as it came.
    Unread,
}

/// Begins with a request, of which more comes unless it has `ended`.
pub(crate) fn begin<H: Host>(host: &H, ended: bool) -> Begun {
    let model = host.property(&MODEL).ok().flatten().and_then(|name| String::from_utf8(name).ok());
    let Some(model) = model.filter(|name| !name.is_empty()) else { return Begun::Nothing };
    let head = RequestHead::read(host);
    let Some(endpoint) = head.endpoint().cloned() else { return Begun::Nothing };
    if let Some(path) = endpoint.renamed_path(head.path(), &model) {
        let set = host.set_header(HeaderMap::Request, ":path", &path);
        return if set.is_ok() { Begun::Done } else { Begun::Unread };
    }
    if ended {
        return Begun::Nothing;
    }
    match BodyReader::new(host, &head, &endpoint, u64::MAX, false) {
        Ok(reader) => Begun::Holds(Box::new(Renaming { model, head, reader })),
        Err(_) => Begun::Unread,
    }
}

impl Renaming {
    /// Takes what is new of a body of which `size` bytes are there; whether it can be read.
    pub(crate) fn advance<H: Host>(&mut self, host: &H, size: usize, ended: bool) -> bool {
        self.reader.advance(host, size, ended).is_ok()
    }

    /// How many bytes of the body were there at the last call.
    pub(crate) fn buffered(&self) -> usize {
        self.reader.buffered()
    }

    /// Replaces the model of the whole body; whether that was done.
    pub(crate) fn finish<H: Host>(self, host: &H) -> bool {
        let Self { model, head, reader } = self;
        let length = reader.buffered();
        let Ok(request) = reader.finish() else { return false };
        let edit = edit::replace_model(&request, &model);
        let edit = edit.unwrap_or_else(|| edit::insert_model(&request, &model));
        edit_body(host, &head, &[edit], length).is_ok()
    }
}
