//! The clauses of the contract, and how each is proven.

/// How a clause is proven.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Proof {
    /// By cases of this suite.
    Suite,
    /// By tests of each store's own: no other handle on the store can see it.
    StoreTest,
    /// By the page of each store, which states it.
    Documentation,
}

/// One clause of the contract that the docs of
/// [`SessionStore`](session_store_core::SessionStore) state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clause {
    /// Its name, such as `"G1"`.
    pub id: &'static str,
    /// How it is proven.
    pub proof: Proof,
}

/// All clauses, in the contract's order.
#[must_use]
pub fn clauses() -> Vec<Clause> {
    let by = |proof, ids: &'static [&'static str]| ids.iter().map(move |id| Clause { id, proof });
    let suite: &[&str] = &[
        "G1", "G2", "G3", "G4", "G5", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "T1", "T2", "T3", "T4", "D1",
        "D2", "D3", "D4", "W1", "R1", "R2", "R3", "R4", "R5", "W2", "L1", "L2", "L3", "L4", "B1", "P1", "P2", "P3",
        "C1", "A1", "A2", "A3", "H1", "W3", "N1", "K1", "K2", "O1", "I1", "E1", "E2", "Z1", "Z2", "Z3",
    ];
    // T5: what goes over the wire. X1: the whole suite again under a clock an hour ahead. K3, E3: faults
    // of server and connection. M1: bytes that an older release wrote.
    let store_test: &[&str] = &["T5", "X1", "K3", "E3", "M1"];
    by(Proof::Suite, suite).chain(by(Proof::StoreTest, store_test)).chain(by(Proof::Documentation, &["F1"])).collect()
}
