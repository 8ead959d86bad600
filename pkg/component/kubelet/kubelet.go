// Package kubelet is the agent on every node: it turns pods into containers.
package kubelet

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"sort"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name       = "kubelet"
	dir        = "/var/lib/kubelet"
	kubeconfig = "/etc/kubernetes/kubelet.conf"
	serving    = dir + "/pki/kubelet"
)

//go:embed config.yaml
var configuration string

//go:embed lesson.md
var lesson string

// New is the kubelet on every node: a service of the node's systemd, not a pod.
func New() component.Component {
	return component.Component{
		Name:   name,
		Needs:  []string{"containerd"},
		Short:  "runs the pods of its node, and keeps them running",
		Lesson: lesson,
		Unit:   "kubelet.service",
		Files:  files,
		Start:  start,
		Ready:  ready,
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	// Group and name are what the Node authorizer knows a kubelet by, see
	// https://kubernetes.io/docs/reference/access-authn-authz/node/.
	client, err := component.Kubeconfig(c, n, kubeconfig, pki.Request{
		CommonName: "system:node:" + n.Name(), Organizations: []string{"system:nodes"},
	})
	if err != nil {
		return nil, err
	}
	server, err := c.PKI.Issue(c.PKI.Cluster, pki.Request{
		CommonName: "system:node:" + n.Name(), Organizations: []string{"system:nodes"},
		DNSNames: []string{n.Name()}, IPs: []netip.Addr{n.IP()}, Usage: pki.Server,
	})
	if err != nil {
		return nil, err
	}
	settings, err := settings(c, n)
	if err != nil {
		return nil, err
	}
	list := append(component.Certificate(serving, server), client, settings,
		provider.File{Path: component.PKIDir + "/ca.crt", Data: c.PKI.Cluster.CertPEM()},
		provider.File{Path: dir + "/flags.env", Data: []byte("KUBELET_FLAGS=" + environment(component.Args(c.Config, name, Flags(c, n))) + "\n")},
	)
	return list, nil
}

// environment writes arguments so that systemd splits the variable into them again,
// see systemd.exec(5), EnvironmentFile=.
func environment(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(arg) + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(strings.Join(quoted, " ")) + `"`
}

// Flags are the kubelet's: what its configuration file has no field for. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "The API server, and who the kubelet is to it. Without it, it runs static pods only."},
		{Name: "node-ip", Value: n.IP().String(), Why: "A node container has one address that stays."},
		{Name: "hostname-override", Value: n.Name(), Why: "The node is called as its container is."},
	}
	if labels := c.Spec(n).Labels; len(labels) > 0 {
		flags = append(flags, component.Flag{Name: "node-labels", Value: joined(labels), Why: "The labels of the cluster's configuration."})
	}
	return flags
}

func joined(labels map[string]string) string {
	var list []string
	for key, value := range labels {
		list = append(list, key+"="+value)
	}
	sort.Strings(list)
	return strings.Join(list, ",")
}

func settings(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	taints := c.Spec(n).Taints
	if taints == nil {
		taints = []config.Taint{}
	}
	data, err := component.Render(name, configuration, map[string]any{
		"CA": component.PKIDir + "/ca.crt", "Serving": serving,
		"ClusterDNS": c.Config.Networking.DNSServiceIP().String(), "Domain": c.Config.Networking.DNSDomain,
		"Manifests": component.ManifestDir, "Taints": taints, "FeatureGates": c.Config.FeatureGates,
	})
	return provider.File{Path: dir + "/config.yaml", Data: data, Mode: 0o600}, err
}

func start(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "systemctl", "start", "kubelet.service"); err != nil {
		return fmt.Errorf("starting the kubelet: %w", err)
	}
	return nil
}

func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, 10248, "/healthz")
}
