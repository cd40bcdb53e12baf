//! Development only: case loader, every-chunking driver.
