//! Every Weir filter in one module, chosen by root_id.
