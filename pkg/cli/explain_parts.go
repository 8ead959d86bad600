package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// order returns lines with the components that a component waits for, and those that wait for it.
func order(graph component.Graph, c component.Component) []string {
	var lines []string
	add := func(what string, names []string) {
		if len(names) > 0 {
			lines = append(lines, "  "+what+"\t"+strings.Join(names, ", "))
		}
	}
	add("once these serve:", c.Waits(component.UntilServing))
	add("once these are ready:", c.Waits(component.UntilReady))
	add("is ready only with:", c.Waits(component.BeforeReady))
	var before []string
	for _, other := range graph {
		if slices.Contains(other.Waits(component.UntilServing, component.UntilReady), c.Name) {
			before = append(before, other.Name)
		}
	}
	add("before:", before)
	return lines
}

// runsAs describes the form of a component on a node: a service, a static pod or a Deployment.
func runsAs(c component.Component) string {
	switch {
	case c.Unit != "":
		return "  a systemd service of the node: " + c.Unit
	case c.Manifest != nil:
		return "  a static pod: the kubelet runs the manifests in " + names.ManifestDir
	}
	return "  a Deployment, as you could create it yourself"
}

// filePaths returns lines with the paths and modes of files, and with folders of data.
func filePaths(files []provider.File, data []string) []string {
	var lines []string
	for _, f := range files {
		mode := f.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		lines = append(lines, fmt.Sprintf("  %s\t%04o", f.Path, mode))
	}
	slices.Sort(lines)
	for _, dir := range data {
		lines = append(lines, "  "+dir+"/\tits data")
	}
	return lines
}

// example returns a cluster that does not exist. Its nodes only have names and addresses.
func example(cfg config.Cluster) (*cluster.Cluster, error) {
	keys, err := cluster.NewPKI(time.Now())
	if err != nil {
		return nil, err
	}
	var nodes []provider.Node
	for i, name := range cfg.NodeNames() {
		address := netip.AddrFrom4([4]byte{10, 89, 0, byte(i + 2)})
		nodes = append(nodes, exampleNode{name, cfg.Nodes[i].Role, address})
	}
	return cluster.New(cfg, nodes, keys), nil
}

// exampleNode is a node that does not exist.
type exampleNode struct {
	name    string
	role    config.Role
	address netip.Addr
}

func (n exampleNode) Name() string      { return n.name }
func (n exampleNode) Role() config.Role { return n.role }
func (n exampleNode) IP() netip.Addr    { return n.address }
func (n exampleNode) IPs() []netip.Addr { return []netip.Addr{n.address} }
func (n exampleNode) Versions() provider.Versions {
	return provider.Versions{Kubernetes: kubernetesVersion, Etcd: "VERSION", CoreDNS: "VERSION", Pause: "VERSION", LocalPath: "VERSION", MetricsServer: "VERSION"}
}

func (n exampleNode) Run(context.Context, provider.Cmd) error       { return errPaper }
func (n exampleNode) Endpoint(context.Context, int) (string, error) { return "", errPaper }
func (n exampleNode) Logs(context.Context, io.Writer) error         { return errPaper }

var errPaper = errors.New("this node is only an example")
