//! Encryption, its introduction, and its keys, while requests go on.

use std::sync::Arc;

use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
use session_store_core::sessions::Builder;

use crate::fleet::{Data, Fleet};
use crate::place::Place;

fn with(ring: &KeyRing) -> impl Fn(Builder<Data>) -> Builder<Data> {
    let codec = Codec::new().with_encryption(ring.clone());
    move |builder| builder.codec(codec.clone())
}

/// How many of the records each of them reads, of how many there are.
async fn read_by<const N: usize>(fleet: &Fleet, codecs: [&Codec; N]) -> ([usize; N], usize) {
    let kept = fleet.kept().await;
    let reads = |codec: &Codec| kept.iter().filter(|(key, data)| codec.decode::<Data>(key, data).is_ok()).count();
    (codecs.map(reads), kept.len())
}

/// One ring after the other, as the page of `KeyRing` has them.
pub(crate) async fn keys_change(place: Arc<Place>) {
    let [old, new] = [(); 2].map(|()| EncryptionKey::generate().unwrap());
    let [only_old, only_new] = [&old, &new].map(|key| KeyRing::new(key.clone()));
    let codecs = [&only_old, &only_new].map(|ring| Codec::new().with_encryption(ring.clone()));
    let codecs = codecs.each_ref();

    let fleet = Fleet::begin(&place, with(&only_old)).await;
    fleet.deploy(with(&only_old.clone().with_next(new.clone()))).await;
    let (reads, all) = read_by(&fleet, codecs).await;
    assert_eq!(reads, [all, 0], "all nodes encrypt with the old key");
    fleet.deploy(with(&only_new.clone().with_former(old.clone()))).await;
    fleet.reencrypt_all().await;
    let (reads, all) = read_by(&fleet, codecs).await;
    assert_eq!(reads, [0, all], "all nodes encrypt with the new key, and nothing is left of the old one");
    assert_eq!(fleet.reencrypt_all().await, 0, "there is nothing left to do");
    fleet.deploy(with(&only_new)).await;

    // Once more, by use alone.
    let newest = EncryptionKey::generate().unwrap();
    let only_newest = KeyRing::new(newest.clone());
    fleet.deploy(with(&only_new.clone().with_next(newest))).await;
    fleet.deploy(with(&only_newest.clone().with_former(new))).await;
    fleet.use_all().await;
    fleet.deploy(with(&only_newest)).await;
    let newest = Codec::new().with_encryption(only_newest);
    let (reads, all) = read_by(&fleet, [codecs[0], codecs[1], &newest]).await;
    assert_eq!(reads, [0, 0, all]);
    fleet.end().await;
}

pub(crate) async fn comes_and_goes(place: Arc<Place>) {
    let ring = KeyRing::new(EncryptionKey::generate().unwrap());
    let (writing, accepting) = (ring.clone().writing_unencrypted(), ring.clone().accepting_unencrypted());
    let (plain, encrypted) = (Codec::new(), Codec::new().with_encryption(ring.clone()));
    let codecs = [&plain, &encrypted];

    let fleet = Fleet::begin(&place, |builder| builder).await;
    fleet.deploy(with(&writing)).await;
    let (reads, all) = read_by(&fleet, codecs).await;
    assert_eq!(reads, [all, 0], "nothing is encrypted before all nodes can read it");
    fleet.deploy(with(&accepting)).await;
    fleet.use_all().await;
    fleet.deploy(with(&ring)).await;
    let (reads, all) = read_by(&fleet, codecs).await;
    assert_eq!(reads, [0, all], "all is encrypted");

    fleet.deploy(with(&accepting)).await;
    fleet.deploy(with(&writing)).await;
    assert_eq!(fleet.reencrypt_all().await, 0, "what other nodes may encrypt still is left alone");
    let ([in_plain, sealed], all) = read_by(&fleet, codecs).await;
    assert_eq!(in_plain + sealed, all);
    fleet.save_all().await;
    let (reads, all) = read_by(&fleet, codecs).await;
    assert_eq!(reads, [all, 0], "nothing is encrypted any more");
    fleet.deploy(|builder| builder).await;
    fleet.end().await;
}
