package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// withExpiry returns a world with a cluster whose worker has a certificate that is valid for a year
// from the first of August 2026. Its control plane does not answer.
func withExpiry(t *testing.T, name string, now time.Time) *world {
	t.Helper()
	from := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	ca, err := pki.NewAuthority("kubernetes", from)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(pki.Request{CommonName: "kube-apiserver", DNSNames: []string{"kubernetes"}, Usage: pki.Server, Now: from})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, name)
	w.now = func() time.Time { return now }
	nodes := w.fake.clusters[name]
	nodes[0].(*fakeNode).script["sh -c cd /"] = func(provider.Cmd) error { return errors.New("it does not answer") }
	nodes[0].(*fakeNode).script["kubectl"] = fails(1, "error: You must be logged in to the server (Unauthorized)")
	nodes[0].(*fakeNode).script["false"] = fails(1, "")
	nodes[1].(*fakeNode).script["sh -c cd /"] = func(cmd provider.Cmd) error {
		return provider.Archive(cmd.Stdout, []provider.File{
			{Path: "/var/lib/kubelet/pki/kubelet.crt", Data: pair.Cert}, {Path: "/var/lib/kubelet/pki/kubelet.key", Data: pair.Key},
		})
	}
	return w
}

// TestExpiry checks the warnings of commands that succeed, and of those that fail.
func TestExpiry(t *testing.T) {
	t.Parallel()
	const (
		unauthorized = "error: You must be logged in to the server (Unauthorized)\n"
		soon         = "Warning: certificates of cluster \"mkube\" expire on 2027-08-01: mkube renew certificates issues new ones\n"
		late         = "Warning: certificates of cluster \"mkube\" expired on 2027-08-01: mkube renew certificates issues new ones\n"
		early        = "Warning: certificates of cluster \"mkube\" are not valid until 2026-08-01: if the clock of this computer is right, mkube renew certificates issues new ones\n"
		nodes        = "mkube-control-plane\nmkube-worker\n"
	)
	for _, tt := range []struct {
		line, now string
		code      Code
		out, err  string
	}{
		{"get nodes", "2026-09-01", OK, nodes, ""},
		{"get nodes", "2027-07-01", OK, nodes, ""},
		{"get nodes", "2027-07-03", OK, nodes, soon},
		{"get nodes -A", "2027-08-02", OK, nodes, late},
		{"get nodes -o name", "2026-07-31", OK, nodes, early},
		{"kubectl -- get pods", "2026-09-01", Failed, "", unauthorized},
		{"kubectl -- get pods", "2027-07-31", Failed, "", unauthorized},
		{"kubectl -- get pods", "2027-08-02", Failed, "", unauthorized + late},
		{"kubectl -- get pods", "2026-07-31", Failed, "", unauthorized + early},
		{"exec control-plane -- false", "2027-08-02", Failed, "", "\n"},
		{"get kubeconfig --name none", "2027-08-02", Failed, "", "Error: cluster \"none\" does not exist: mkube create cluster --name none creates it; existing clusters: mkube\n"},
	} {
		t.Run(tt.line+" on "+tt.now, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.DateOnly, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			w := withExpiry(t, "mkube", now)
			w.want(t, w.run(t, tt.line), tt.code, tt.out, tt.err)
		})
	}
}

// TestExpiryOfPKI checks that pki names the command, with the name of the cluster.
func TestExpiryOfPKI(t *testing.T) {
	t.Parallel()
	w := withExpiry(t, "blue", time.Date(2027, 8, 2, 0, 0, 0, 0, time.UTC))
	if code := w.run(t, "pki --name blue"); code != OK {
		t.Errorf("exit code %d", code)
	}
	want := "Warning: certificates of cluster \"blue\" expired on 2027-08-01: mkube renew certificates --name blue issues new ones\n"
	if !strings.Contains(w.err.String(), want) {
		t.Errorf("standard error is\n%s", w.err.String())
	}
}

// TestExpiryAsJSON checks that a program that reads events gets no other lines.
func TestExpiryAsJSON(t *testing.T) {
	t.Parallel()
	w := withExpiry(t, "mkube", time.Date(2027, 8, 2, 0, 0, 0, 0, time.UTC))
	if code := w.run(t, "start cluster --progress json"); code != Failed || strings.Contains(w.err.String(), "Warning") {
		t.Errorf("exit code %d: %s", code, w.err.String())
	}
}
