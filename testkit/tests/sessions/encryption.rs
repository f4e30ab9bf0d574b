//! Encryption, its introduction, and its keys, while requests go on.

use std::sync::Arc;

use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
use session_store_core::sessions::Builder;

use crate::namespace_fixture::NamespaceFixture;
use crate::rollout::{Data, Rollout};

fn with(ring: &KeyRing) -> impl Fn(Builder<Data>) -> Builder<Data> {
    let codec = Codec::new().with_encryption(ring.clone());
    move |builder| builder.codec(codec.clone())
}

/// How many of the records each of them reads, of how many there are.
async fn read_by<const N: usize>(rollout: &Rollout, codecs: [&Codec; N]) -> ([usize; N], usize) {
    let kept = rollout.kept().await;
    let reads = |codec: &Codec| kept.iter().filter(|(key, data)| codec.decode::<Data>(key, data).is_ok()).count();
    (codecs.map(reads), kept.len())
}

/// One ring after the other, as the page of `KeyRing` has them.
pub(crate) async fn keys_change(fixture: Arc<NamespaceFixture>) {
    let [old, new] = [(); 2].map(|()| EncryptionKey::generate().unwrap());
    let [only_old, only_new] = [&old, &new].map(|key| KeyRing::new(key.clone()));
    let codecs = [&only_old, &only_new].map(|ring| Codec::new().with_encryption(ring.clone()));
    let codecs = codecs.each_ref();

    let rollout = Rollout::begin(&fixture, with(&only_old)).await;
    rollout.deploy(with(&only_old.clone().with_next(new.clone()))).await;
    let (reads, all) = read_by(&rollout, codecs).await;
    assert_eq!(reads, [all, 0], "all nodes encrypt with the old key");
    rollout.deploy(with(&only_new.clone().with_former(old.clone()))).await;
    rollout.reencrypt_all().await;
    let (reads, all) = read_by(&rollout, codecs).await;
    assert_eq!(reads, [0, all], "all nodes encrypt with the new key, and nothing is left of the old one");
    assert_eq!(rollout.reencrypt_all().await, 0, "there is nothing left to do");
    rollout.deploy(with(&only_new)).await;

    // Once more, by use alone.
    let newest = EncryptionKey::generate().unwrap();
    let only_newest = KeyRing::new(newest.clone());
    rollout.deploy(with(&only_new.clone().with_next(newest))).await;
    rollout.deploy(with(&only_newest.clone().with_former(new))).await;
    rollout.use_all().await;
    rollout.deploy(with(&only_newest)).await;
    let newest = Codec::new().with_encryption(only_newest);
    let (reads, all) = read_by(&rollout, [codecs[0], codecs[1], &newest]).await;
    assert_eq!(reads, [0, 0, all]);
    rollout.end().await;
}

pub(crate) async fn comes_and_goes(fixture: Arc<NamespaceFixture>) {
    let ring = KeyRing::new(EncryptionKey::generate().unwrap());
    let (writing, accepting) = (ring.clone().writing_unencrypted(), ring.clone().accepting_unencrypted());
    let (plain, encrypted) = (Codec::new(), Codec::new().with_encryption(ring.clone()));
    let codecs = [&plain, &encrypted];

    let rollout = Rollout::begin(&fixture, |builder| builder).await;
    rollout.deploy(with(&writing)).await;
    let (reads, all) = read_by(&rollout, codecs).await;
    assert_eq!(reads, [all, 0], "nothing is encrypted before all nodes can read it");
    rollout.deploy(with(&accepting)).await;
    rollout.use_all().await;
    rollout.deploy(with(&ring)).await;
    let (reads, all) = read_by(&rollout, codecs).await;
    assert_eq!(reads, [0, all], "all is encrypted");

    rollout.deploy(with(&accepting)).await;
    rollout.deploy(with(&writing)).await;
    assert_eq!(rollout.reencrypt_all().await, 0, "what other nodes may encrypt still is left alone");
    let ([in_plain, sealed], all) = read_by(&rollout, codecs).await;
    assert_eq!(in_plain + sealed, all);
    rollout.save_all().await;
    let (reads, all) = read_by(&rollout, codecs).await;
    assert_eq!(reads, [all, 0], "nothing is encrypted any more");
    rollout.deploy(|builder| builder).await;
    rollout.end().await;
}
