package config

import (
	"slices"
	"testing"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	plain := Cluster{Nodes: []Node{{ExtraMounts: []Mount{{HostPath: "/a", ContainerPath: "/var/lib/etcd-backup"}}}}}.Default()
	if got := plain.Warnings(); got != nil {
		t.Errorf("a plain cluster warns of %q", got)
	}
	mounted := Cluster{Nodes: []Node{{}, {ExtraMounts: []Mount{{HostPath: "/a", ContainerPath: "/var/lib/etcd/"}}}}}.Default()
	want := []string{
		"2 control planes are an even number: etcd survives the loss of 0 of them, as it does with 1",
		"nodes[1].extraMounts[0] keeps etcd's data in /a: a new cluster does not come up with the data of an older one, so delete the old data first",
	}
	if got := mounted.Warnings(); !slices.Equal(got, want) {
		t.Errorf("it warns of %q; want %q", got, want)
	}
	requesting := Cluster{Name: "blue", Addons: Addons(), Nodes: []Node{{KubeletConfigPatches: []string{"serverTLSBootstrap: true"}}}}.Default()
	want = []string{"nodes[0] requests its serving certificate: metrics-server is ready only after somebody has approved the request, see mkube kubectl --name blue -- get csr"}
	if got := requesting.Warnings(); !slices.Equal(got, want) {
		t.Errorf("it warns of %q; want %q", got, want)
	}
}
