//go:build unix

package kubeconfig_test

import (
	"os"
	"syscall"
	"testing"
)

// TestMergeKeepsOwner simulates "sudo mkube create cluster" with the user's $HOME.
func TestMergeKeepsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	path := tempFile(t, "")
	if err := os.Chown(path, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	merge(t, entry("a"), path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 1234 || stat.Gid != 2345 {
		t.Errorf("owner is %d:%d, want 1234:2345", stat.Uid, stat.Gid)
	}
	wantMode(t, path, 0o600)
}
