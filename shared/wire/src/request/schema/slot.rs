//! What values mean, and which type they must have.

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::request) enum Slot {
    /// Nothing to us.
    Ignored,
    /// The whole body.
    Top,
    /// The model's name.
    Model,
    /// Whether to stream.
    Stream,
    /// OpenAI's `stream_options`.
    StreamOptions,
    /// `stream_options.include_usage`
    IncludeUsage,
    /// The limit of output tokens that is preferred where several are given.
    MaxOutput,
    /// The older name of that limit.
    MaxTokens,
    /// How many choices.
    Choices,
    /// The end user.
    User,
    /// What separates KV caches.
    CacheSalt,
    /// The session, by a field of its own.
    Session,
    /// The session, by a field that was made for caching.
    CacheKey,
    /// An object that may name user and session.
    Metadata,
    /// An object with limits.
    Generation,
    /// The system prompt, where it is a field of its own.
    Preamble,
    /// Documents and the like, which templates put before the turns.
    Tools,
    /// Tool definitions, which say who runs them.
    ToolList,
    /// Whether the server keeps the response.
    Store,
    /// Whether the work goes on when nobody waits for it.
    Background,
    /// Something that makes the server do more than to generate.
    ServerWork,
    /// The list of messages.
    Messages,
    /// The list of messages, or one user message as a string.
    Items,
    /// One message.
    Message,
    /// Who speaks.
    Role,
    /// A string, or a list of parts.
    Content,
    /// One part of a content.
    Part,
    /// What kind of part or media this is.
    Kind,
    /// In how much detail an image is to be looked at.
    Detail,
    /// Text.
    Text,
    /// An image or its address, directly or in an object.
    Image,
    /// The same for sound.
    Audio,
    /// The same for something that its kind names.
    Media,
    /// The data or the address of a medium.
    MediaData,
    /// JSON that becomes text of the prompt as a whole.
    Raw,
    /// A prompt: text, token ids, or lists of them.
    Prompt,
    /// KServe's list of tensors.
    Tensors,
    /// One tensor.
    Tensor,
    /// Its elements, of which only strings are text.
    TensorData,
}

/// The JSON type that a slot must have, where another one would be dangerous to let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::request) enum Expected {
    String,
    Boolean,
    Count,
    Object,
    Array,
    ArrayOrString,
    Any,
}

impl Expected {
    /// How an error names it.
    pub(in crate::request) const fn text(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Boolean => "true or false",
            Self::Count => "a whole number that is not negative",
            Self::Object => "an object",
            Self::Array => "an array",
            Self::ArrayOrString => "an array or a string",
            Self::Any => "a value",
        }
    }
}

impl Slot {
    /// The type that is required.
    pub(in crate::request) const fn expected(self) -> Expected {
        match self {
            Self::Model | Self::User | Self::CacheSalt | Self::Session | Self::CacheKey => {
                Expected::String
            }
            Self::Role | Self::Kind => Expected::String,
            Self::Stream | Self::IncludeUsage => Expected::Boolean,
            Self::MaxOutput | Self::MaxTokens | Self::Choices => Expected::Count,
            Self::Top | Self::StreamOptions | Self::Generation | Self::Message => Expected::Object,
            Self::Messages | Self::Tensors => Expected::Array,
            Self::Items => Expected::ArrayOrString,
            _ => Expected::Any,
        }
    }

    /// What the elements of an array in this slot are.
    pub(in crate::request) const fn element(self) -> Self {
        match self {
            Self::Messages | Self::Items => Self::Message,
            Self::Preamble | Self::Content => Self::Part,
            Self::Prompt => Self::Prompt,
            Self::Tensors => Self::Tensor,
            Self::TensorData => Self::TensorData,
            _ => Self::Ignored,
        }
    }

    /// What an object in this slot is: its members are those of [`members`](super::members).
    pub(in crate::request) const fn object(self) -> Self {
        match self {
            Self::Content | Self::Prompt | Self::Preamble => Self::Part,
            other => other,
        }
    }
}

/// The names of one member (the first is used in errors), and what its value means.
pub(in crate::request) type Row = (&'static [&'static str], Slot);
