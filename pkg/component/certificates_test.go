package component_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/metricsserver"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// withPair returns a component with a key pair, a kubeconfig and other files.
func withPair(validity time.Duration) component.Component {
	return component.Component{
		About: component.About{Name: "certified"},
		Content: component.Content{
			On: component.ControlPlanes,
			Files: func(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
				pair, err := c.PKI.Issue(c.PKI.Cluster, pki.Request{CommonName: "a", Usage: pki.Client, Validity: validity})
				if err != nil {
					return nil, err
				}
				config, err := component.Kubeconfig(c, n, "/etc/a.conf", pki.Request{CommonName: "b"})
				return append(component.Certificate("/etc/a", pair), config,
					provider.File{Path: "/etc/other.key", Data: c.PKI.ServiceAccountKey}, provider.File{Path: "/etc/a.yaml", Data: []byte("a: b\n")}), err
			},
			Manifest: func(c *cluster.Cluster, n provider.Node) (provider.File, error) {
				return component.StaticPod(c, n, "certified", "kind: Pod\n", nil)
			},
		},
	}
}

// TestValidity checks that the times are those of the certificates on the nodes, and not of those
// that would be issued now.
func TestValidity(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, yes)
	c, graph := r.up.Cluster, component.Graph{withPair(time.Hour), thing()}
	if v, err := graph.Validity(t.Context(), c); v != (pki.Validity{}) || err != nil {
		t.Errorf("without files: %+v, %v", v, err)
	}
	if err := r.up.Start(t.Context(), graph[0], c.Nodes[0]); err != nil {
		t.Fatal(err)
	}
	v, err := component.Graph{withPair(0)}.Validity(t.Context(), c)
	if left := time.Until(v.NotAfter); err != nil || left > time.Hour || left < 50*time.Minute {
		t.Errorf("Validity = %+v, %v", v, err)
	}
	if since := time.Since(v.NotBefore); since < pki.Backdate || since > pki.Backdate+10*time.Minute {
		t.Errorf("NotBefore is %s ago", since)
	}
	for _, call := range r.provider.Calls() {
		if call.Method == "Run" && call.Node == "mkube-worker" {
			t.Errorf("the node without the component ran %q", call.Args)
		}
	}
	r.provider.Before = func(_ context.Context, call fake.Call) error {
		if call.Method == "Run" {
			return errors.New("it is off")
		}
		return nil
	}
	if v, err := graph.Validity(t.Context(), c); v != (pki.Validity{}) || componenttest.Message(err) != "reading the certificates of mkube-control-plane: it is off" {
		t.Errorf("Validity = %+v, %v", v, err)
	}
}

// tools are programs of a node that print their arguments. crictl ps also prints an ID, and fails
// if CRICTL is "fails".
var tools = map[string]string{
	"systemctl": `echo systemctl "$@" >&2`,
	"tar":       `echo tar "$@" >&2; cat >/dev/null`,
	"crictl": `echo crictl "$@" >&2
[ "$1" != ps ] || [ "$CRICTL" != fails ] || exit 3
[ "$1" != ps ] || [ "$4" = ^gone$ ] || echo "id-of-$4"`,
}

// TestRenew runs the script of Renew in a shell. It checks the files of its input, and that the
// kubelet starts again also after an error.
func TestRenew(t *testing.T) {
	t.Parallel()
	r := newRig(t, config.Cluster{}, yes)
	var input []string
	r.provider.Programs = map[string]fake.Program{"sh": func(_ context.Context, n *fake.Node, cmd provider.Cmd) (int, error) {
		for reader := tar.NewReader(cmd.Stdin); ; {
			h, err := reader.Next()
			if err == io.EOF {
				return 0, nil
			} else if err != nil {
				return 0, err
			}
			if h.Typeflag == tar.TypeReg {
				input = append(input, fmt.Sprintf("/%s %o", h.Name, h.Mode))
			}
		}
	}}
	unit, same := withPair(0), withPair(0)
	unit.Unit, same.Unit = "a.service", "a.service"
	gone := withPair(0)
	gone.Name = "gone"
	if err := (component.Graph{withPair(0), unit, thing(), same, gone}).Renew(t.Context(), r.up.Cluster, r.up.Cluster.Nodes[0]); err != nil {
		t.Fatal(err)
	}
	want(t, "the files", input, []string{"/etc/a.conf 600", "/etc/a.crt 644", "/etc/a.key 600"})
	dir := t.TempDir()
	for name, text := range tools {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	calls := r.provider.Calls()
	args := calls[len(calls)-1].Args
	for crictl, lines := range map[string]string{
		"works": `systemctl stop kubelet
tar -C / --no-overwrite-dir -xf -
crictl ps --quiet --name ^certified$
crictl ps --quiet --name ^gone$
crictl --timeout 30s stop --timeout 5 id-of-^certified$
systemctl restart a.service
systemctl start kubelet
`,
		"fails": `systemctl stop kubelet
tar -C / --no-overwrite-dir -xf -
crictl ps --quiet --name ^certified$
systemctl start kubelet
`,
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CRICTL="+crictl)
		out, err := cmd.CombinedOutput()
		if string(out) != lines || (err == nil) != (crictl == "works") {
			t.Errorf("where crictl %s: %v\n%swant\n%s", crictl, err, out, lines)
		}
	}
}

// TestUpReplacesCertificates checks that objects with certificates are replaced if the cluster has
// new ones, and others are not.
func TestUpReplacesCertificates(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	comp := metricsserver.New()
	comp.Ready = nil
	for _, renewed := range []bool{false, true} {
		up := component.Up{Cluster: api.Cluster, Renewed: renewed}
		if err := up.Do(t.Context(), comp, component.Signals{}); err != nil {
			t.Fatal(err)
		}
		applied := []string{}
		if renewed {
			applied = []string{"/api/v1/namespaces/kube-system/secrets/metrics-server-tls", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"}
		}
		if got := api.Applied(); !slices.Equal(got, applied) {
			t.Errorf("renewed: %t: applied %q; want %q", renewed, got, applied)
		}
	}
}
