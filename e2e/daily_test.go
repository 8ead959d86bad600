//go:build e2e && !nightly

package e2e

const nightly = false
