//! The contract, the list of clauses and the cases name the same clauses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;

use conformance_tests::{Case, Clause, Proof, cases, clauses};

/// The contract as its readers see it: the docs of the trait and its methods.
const CONTRACT: &str = include_str!("../../session-store-core/src/store.rs");

/// The clauses that the docs state: `/// - **G1** ...`.
fn stated() -> Vec<&'static str> {
    let clause = |line: &'static str| line.trim().strip_prefix("/// - **")?.split_once("** ");
    CONTRACT.lines().filter_map(clause).map(|(id, _)| id).collect()
}

fn proven_by(proof: Proof) -> BTreeSet<&'static str> {
    clauses().iter().filter(|clause| clause.proof == proof).map(|clause| clause.id).collect()
}

#[test]
fn every_clause_of_the_contract_is_listed_once() {
    let (mut stated, mut listed) = (stated(), clauses().iter().map(|clause: &Clause| clause.id).collect::<Vec<_>>());
    assert_eq!(stated.len(), 58);
    stated.sort_unstable();
    listed.sort_unstable();
    assert_eq!(stated, listed);
}

#[test]
fn every_clause_that_the_suite_proves_has_a_case_and_no_other_has() {
    let with_cases: BTreeSet<_> = cases().map(Case::clause).collect();
    assert_eq!(with_cases, proven_by(Proof::Suite));
}

#[test]
fn the_rest_is_proven_elsewhere() {
    assert_eq!(proven_by(Proof::StoreTest), BTreeSet::from(["E3", "K3", "M1", "T5", "X1"]));
    assert_eq!(proven_by(Proof::Documentation), BTreeSet::from(["F1"]));
}

#[test]
fn no_two_cases_have_one_name() {
    let names: BTreeSet<_> = cases().map(Case::name).collect();
    assert_eq!(names.len(), cases().count());
    assert!(names.len() >= 175, "{}", names.len());
}
