//go:build e2e && nightly

package e2e

import "testing"

// TestFaultsOfOneControlPlane breaks one of three control planes. The others hide the symptom, but
// not from break --check.
func TestFaultsOfOneControlPlane(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-faults-ha", "", "--control-planes", "3")
	c.breakAndFix(t, "scheduler-stopped", "control-plane2")
	c.breakAndFix(t, "wrong-etcd-address", "control-plane3")
	c.breakAndFix(t, "wrong-certificate", "control-plane")
}
