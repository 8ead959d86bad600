//go:build e2e && nightly

package e2e

import (
	"archive/tar"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/providertest"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/vagrant"
)

// TestVagrantProvider runs the test that every provider must pass on real virtual machines. It
// boots seven, one or two at the same time.
func TestVagrantProvider(t *testing.T) {
	wantMachines(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	startLibvirt(t, ctx)
	makeBox(t, ctx)
	dir := filepath.Join(os.Getenv("XDG_DATA_HOME"), "mkube", "vagrant")
	p := vagrant.New(vagrant.Options{Dir: dir, Hypervisor: "libvirt", Box: testBox})
	t.Run("suite", func(t *testing.T) { providertest.Run(t, small{p}, writeSmallBundle(t)) })
	for _, name := range []string{"tests-a", "tests-b", "tests-b-more"} {
		wantNoMachine(t, ctx, name)
	}
}

// small creates machines that are only large enough for a shell.
type small struct{ *vagrant.Provider }

func (s small) Create(ctx context.Context, cfg config.Cluster, creation string, seed provider.Seed) ([]provider.Node, error) {
	return s.Provider.Create(ctx, shrunk(cfg), creation, seed)
}

func (s small) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed provider.Seed) (provider.Node, error) {
	return s.Provider.Add(ctx, shrunk(cfg), i, creation, seed)
}

func shrunk(cfg config.Cluster) config.Cluster {
	cfg.Nodes = slices.Clone(cfg.Nodes)
	for i := range cfg.Nodes {
		cfg.Nodes[i].Resources = config.Resources{CPUs: "1", Memory: "512Mi"}
	}
	return cfg
}

// writeSmallBundle writes a bundle without Kubernetes. The contract of a provider does not need
// Kubernetes, and a real bundle takes as long to unpack as a machine takes to boot.
func writeSmallBundle(t *testing.T) (file string) {
	t.Helper()
	info, err := json.Marshal(map[string]any{"inputs": "small", "versions": provider.Versions{
		Kubernetes: "v1.37.2", Etcd: "small", CoreDNS: "small", Pause: "small", LocalPath: "small", MetricsServer: "small",
	}})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "small.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, entry := range []struct {
		name string
		data []byte
	}{
		{"usr/share/mkube/bundle.json", info},
		{"usr/local/bin/mkube-vm-setup", []byte("#!/bin/sh\nhostnamectl set-hostname \"$1\"\necho \"127.0.1.1 $1\" >>/etc/hosts\n")},
	} {
		if err := w.WriteHeader(&tar.Header{Name: entry.name, Mode: 0o755, Size: int64(len(entry.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(entry.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}
