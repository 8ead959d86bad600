//go:build e2e && nightly

package e2e

// nightly reports whether tests run every case, which takes longer. Tests that are slow as a whole
// are in files with the same build tag.
const nightly = true
