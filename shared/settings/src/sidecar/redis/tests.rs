use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(yaml: &str) -> Result<RedisSettings, String> {
    let raw: RawRedis = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    raw.try_into().map_err(|error: SettingsError| error.to_string())
}

#[test]
fn one_url_is_enough() {
    let settings = read("urls: ['redis://redis.internal:6379']").unwrap();
    assert_eq!((settings.mode, settings.prefix.as_str()), (RedisMode::Standalone, "weir"));
    assert_eq!(settings.timeout, Duration::from_millis(500));
    assert_eq!(settings.interval, Duration::from_millis(200));
    assert!(!settings.is_tls() && settings.files().next().is_none());
}

#[test]
fn urls_are_shown_as_they_are_written() {
    for (url, tls, database) in [
        ("redis://redis.internal:6379", false, 0),
        ("rediss://[::1]:6380", true, 0),
        ("redis://10.0.0.1:6379/15", false, 15),
        ("unix:/run/redis.sock", false, 0),
    ] {
        let settings = read(&format!("urls: ['{url}']")).unwrap();
        assert_eq!(settings.urls[0].to_string(), url);
        assert_eq!((settings.urls[0].is_tls(), settings.urls[0].database()), (tls, database));
    }
}

#[test]
fn mistakes_are_told_by_field_and_without_what_may_be_a_password() {
    for (yaml, expected) in [
        ("urls: []", "redis.urls: 0 entries, must be 1 to 1"),
        ("urls: ['redis://a:1', 'redis://b:1']", "redis.urls: 2 entries, must be 1 to 1"),
        ("urls: ['redis://u:hunter2@a:1']", "redis.urls[0]: the URL may not hold credentials"),
        ("urls: ['http://a:1']", "redis.urls[0]: the URL must start with redis://"),
        ("urls: ['redis://a']", "redis.urls[0]: the URL has no valid host and port"),
        ("urls: ['redis://a:1/x']", "redis.urls[0]: the URL may have the number of a database"),
        ("urls: ['redis://a:1/1024']", "redis.urls[0]: the URL may have the number of a database"),
        ("urls: ['unix:run/redis.sock']", "redis.urls[0]: the URL needs an absolute path"),
        ("{mode: cluster, urls: ['redis://a:1/2']}", "redis.urls[0]: the URL has a database"),
        ("{mode: cluster, urls: ['unix:/a']}", "redis.urls[0]: the URL is a socket"),
        (
            "{mode: cluster, urls: ['redis://a:1', 'rediss://b:1']}",
            "redis.urls[1]: the URL must have the scheme and database of the first",
        ),
        ("{mode: cluster, urls: ['redis://a:1', 'redis://a:1']}", "redis.urls[1]: the URL stands"),
        ("{mode: sentinel, urls: ['redis://a:1']}", "redis.master: \"\" must be the name"),
        ("{urls: ['redis://a:1'], master: m}", "redis.master: \"m\" is for mode: sentinel only"),
        ("{urls: ['redis://a:1'], sentinel_username: m}", "redis.sentinel_username: \"m\" is for"),
        ("{urls: ['redis://a:1'], prefix: 'a:b'}", "redis.prefix: \"a:b\" must be 1 to 64"),
        ("{urls: ['redis://a:1'], ca_file: /ca}", "redis.urls[0]: the URL is without TLS"),
        ("{urls: ['rediss://a:1'], key_file: /k}", "redis: \"/k\" needs certificate_file and"),
        ("{urls: ['redis://a:1'], password_file: ''}", "redis: \"\" names no file"),
        ("{urls: ['redis://a:1'], interval: 1ms}", "redis.interval: \"1ms\" must be 20ms to 60s"),
    ] {
        let error = read(yaml).unwrap_err();
        assert!(error.contains(expected), "{expected} in {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
