//! The list of pools in shared data.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_snapshot::keys::{PoolsFull, add_pool, pools, version, view};
use weir_snapshot::limits::MAX_POOLS;

#[test]
fn pools_are_added_once() {
    let list = add_pool(b"", "llama").unwrap_or_default().unwrap_or_default();
    let list = add_pool(&list, "team/qwen").unwrap_or_default().unwrap_or_default();
    assert_eq!(pools(&list).collect::<Vec<_>>(), ["llama", "team/qwen"]);
    assert_eq!(add_pool(&list, "llama"), Ok(None));
    assert_eq!(
        (view("llama"), version("llama")),
        ("weir/view/llama".into(), "weir/version/llama".into())
    );
}

#[test]
fn pools_are_bounded() {
    let mut list = Vec::new();
    for index in 0..MAX_POOLS {
        list = add_pool(&list, &format!("pool-{index}")).unwrap_or_default().unwrap_or_default();
    }
    assert_eq!(add_pool(&list, "pool-0"), Ok(None));
    assert_eq!(add_pool(&list, "one-more"), Err(PoolsFull));
}

#[test]
fn broken_lists_lose_only_what_is_broken() {
    assert_eq!(pools(b"a\n\xff\nb c\n\nd").collect::<Vec<_>>(), ["a", "d"]);
}
