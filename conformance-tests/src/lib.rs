#![doc = "Conformance."]
