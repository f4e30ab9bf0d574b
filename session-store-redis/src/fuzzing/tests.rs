//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use session_store_core::{Meta, Timestamp};
use testkit::corpus::Corpus;

use super::record::{encode, head_of_alice, user};
use crate::record::Head;

fn corpus(decoder: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), decoder)
}

#[test]
fn the_corpus_of_records() {
    corpus("record").assert_seeds(&records());
    corpus("record").run(super::record);
}

#[test]
fn the_corpus_of_answers() {
    corpus("answer").assert_seeds(&answers());
    corpus("answer").run(super::answer);
}

fn records() -> Vec<(&'static str, Vec<u8>)> {
    let alice = head_of_alice();
    let nobodys = Head { meta: Meta { user: None, ..alice.meta.clone() }, ..head_of_alice() };
    let marked = Head { mark: 1_764_000_000_000_000, ..head_of_alice() };
    let longest = Head { meta: Meta { user: Some(user(&"é".repeat(128))), ..alice.meta.clone() }, ..head_of_alice() };
    let dead = Head { meta: Meta { expires_at: Timestamp::from_millis(0), ..alice.meta.clone() }, ..head_of_alice() };
    let ended = Meta { created_at: alice.meta.deadline, ..alice.meta.clone() };
    let no_user = [&encode(&nobodys)[..48], &2_u16.to_be_bytes(), &[0xff, 0xfe]].concat();
    let with = |head: &Head, data: &[u8]| [&encode(head), data].concat();
    vec![
        ("alices", with(&alice, b"data")),
        ("nobodys", with(&nobodys, b"data")),
        ("without-data", encode(&alice)),
        ("marked", with(&marked, b"data")),
        ("longest-user", with(&longest, &[0; 100])),
        ("dead", with(&dead, b"data")),
        ("moved", [&[2], alice.meta.version.as_bytes().as_slice()].concat()),
        ("moved-and-more", vec![2; 18]),
        ("contradictory", with(&Head { meta: ended, ..alice }, b"data")),
        ("user-is-no-text", no_user),
        ("unknown-layout", vec![3; 60]),
    ]
}

fn answers() -> Vec<(&'static str, Vec<u8>)> {
    let record = [encode(&head_of_alice()), b"data".to_vec()].concat();
    let member = [b'k'; 32];
    let list = |parts: &[&[u8]]| {
        let parts = parts.iter().map(|part| bulk(part)).collect::<Vec<_>>();
        [format!("*{}\r\n", parts.len()).into_bytes(), parts.concat()].concat()
    };
    let piece = [b"*2\r\n:2\r\n".to_vec(), bulk(&member)].concat();
    let scan_keys = [b"shop\0s".as_slice(), &member].concat();
    let scan = [b"*2\r\n$1\r\n7\r\n".to_vec(), list(&[&scan_keys])].concat();
    let info =
        b"# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n";
    let mut seeds = vec![
        ("get", bulk(&record)),
        ("get-nothing", b"$-1\r\n".to_vec()),
        ("page", list(&[&member, &record[..55], &[b'l'; 32], b"", &[b'm'; 32], b"\0"])),
        ("piece", piece),
        ("piece-of-user", [b"*3\r\n:1\r\n:2\r\n".to_vec(), bulk(&member)].concat()),
        ("destroyed", b"*2\r\n:1\r\n:1\r\n".to_vec()),
        ("read-many", list(&[&record, &record[..55], b"\0"])),
        ("nodes", bulk(b"07c3 127.0.0.1:7@17 myself,master - 0 0 1 connected 0-92 95\n")),
        ("nodes-of-a-moving-slot", bulk(b"07c3 127.0.0.1:7@17 myself,master - 0 0 1 connected 0-92 [93->-67ed]\n")),
        ("scan", scan),
        ("count", b":3\r\n".to_vec()),
        ("time", list(&[b"1764000000", b"123456"])),
        ("info", bulk(info)),
        ("written", list(&[b"OK", b"alice", b"1764000000000000"])),
        ("needs-mark", [b"*3\r\n".to_vec(), bulk(b"MARK"), bulk(b"alice"), b":43200000\r\n".to_vec()].concat()),
        ("ended", list(&[b"OK", b"", b"0"])),
        ("index", list(&[b"1764000099000000", &member, b"1764000000000000"])),
        ("index-of-a-late-mark", list(&[b"1764000099000000", &member, b"18446744073709551615"])),
        ("map", [b"%1\r\n".to_vec(), bulk(&member), bulk(&record)].concat()),
        ("refused", b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".to_vec()),
        ("no-right", b"-NOPERM this user has no permissions to access the key of alice\r\n".to_vec()),
    ];
    let said =
        ["OK", "EXISTS", "MISSING", "CONFLICT", "CORRUPT", "TO_EXISTS", "TO_CORRUPT", "MARK", "NOTHING", "REMOVED"];
    seeds.extend(said.map(|said| (said, bulk(said.as_bytes()))));
    seeds
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
