//go:build e2e && nightly

package e2e

// nightly reports whether tests take the time for every case. Tests that are slow as a whole
// are in files with the same build tag.
const nightly = true
