// Package kubelet runs the kubelet, the agent on every node that runs pods.
package kubelet

import (
	"context"
	_ "embed"
	"fmt"
	"sort"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name       = names.Kubelet
	unit       = "kubelet.service"
	dir        = "/var/lib/kubelet"
	kubeconfig = "/etc/kubernetes/kubelet.conf"
	serving    = dir + "/pki/kubelet"
)

//go:embed config.yaml
var configuration string

//go:embed lesson.md
var lesson string

// New returns the kubelet on every node. It is a systemd service, not a pod. Without
// Registration, it runs static pods only, and belongs to no cluster.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "runs the pods of its node, and keeps them running",
			Lesson: lesson,
			Flags:  Flags,
			Ports:  []component.Port{{Number: 10248, Protocol: "TCP", For: "health, for the node itself"}},
			Effect: component.Effect{Claim: "a pod with a file in /etc/kubernetes/manifests runs", Try: staticPodRuns},
		},
		Content: component.Content{
			Files: files,
			Data:  []string{dir},
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.Containerd, Until: component.UntilServing},
			},
			Unit:  unit,
			Start: start,
			Stop:  stop,
			Ready: ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	server, err := c.PKI.Issue(c.PKI.Cluster, pki.Request{
		CommonName: "system:node:" + n.Name(), Organizations: []string{"system:nodes"},
		DNSNames: []string{n.Name()}, IPs: n.IPs(), Usage: pki.Server,
	})
	if err != nil {
		return nil, err
	}
	config, err := configFile(c, n, false)
	return append(component.Certificate(serving, server),
		config,
		flagsFile("flags", "KUBELET_FLAGS", component.Args(c.Config, name, Flags(c, n))),
		provider.File{Path: names.PKIDir + "/ca.crt", Data: c.PKI.Cluster.CertPEM()},
	), err
}

// flagsFile returns an environment file of the kubelet's unit, which passes the flags in each of its
// variables to the kubelet. So several components can add flags. See
// node-image/rootfs/etc/systemd/system/kubelet.service.
func flagsFile(file, variable string, args []string) provider.File {
	return provider.File{Path: dir + "/" + file + ".env", Data: []byte(variable + "=" + component.Environment(args) + "\n")}
}

// Flags returns the kubelet's flags, for settings that its configuration file has no field for.
// See https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "node-ip", Value: addresses(n), Why: "These are the addresses of the node, which do not change."},
		{Name: "hostname-override", Value: n.Name(), Why: "The node has the same name in the API as in mkube."},
	}
	if labels := c.Spec(n).Labels; len(labels) > 0 {
		flags = append(flags, component.Flag{Name: "node-labels", Value: joined(labels), Why: "These labels come from the cluster's configuration.", Joined: true})
	}
	return flags
}

func addresses(n provider.Node) string {
	var list []string
	for _, ip := range n.IPs() {
		list = append(list, ip.String())
	}
	return strings.Join(list, ",")
}

func joined(labels map[string]string) string {
	var list []string
	for key, value := range labels {
		list = append(list, key+"="+value)
	}
	sort.Strings(list)
	return strings.Join(list, ",")
}

func configFile(c *cluster.Cluster, n provider.Node, registers bool) (provider.File, error) {
	taints := c.Spec(n).Taints
	if taints == nil {
		taints = []config.Taint{}
	}
	requests := c.Config.RequestsServing(c.Spec(n))
	var standalone map[string]any
	if requests && !registers { // there is no API server to request a certificate from
		standalone = map[string]any{"serverTLSBootstrap": false}
	}
	data, err := component.Render(name, configuration, map[string]any{
		"CA": names.PKIDir + "/ca.crt", "Serving": serving, "Registers": registers, "Requests": requests && registers,
		"ClusterDNS": c.Config.Networking.DNSServiceIP().String(), "Domain": c.Config.Networking.DNSDomain,
		"Manifests": names.ManifestDir, "Taints": taints, "FeatureGates": c.Config.FeatureGates,
		"CipherSuites": component.CipherSuites(),
	})
	if err == nil {
		data, err = component.Patched(data, "kubeletConfigPatches", c.Spec(n).KubeletConfigPatches, standalone)
	}
	return provider.File{Path: dir + "/config.yaml", Data: data, Mode: 0o600}, err
}

func start(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "systemctl", "start", unit); err != nil {
		return fmt.Errorf("starting the kubelet: %w", err)
	}
	return nil
}

// stop removes the pods, because they outlive the kubelet, and unmounts their volumes.
func stop(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	const script = `crictl --timeout 30s rmp --all --force >/dev/null &&
awk -v dir="$1/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount`
	if _, err := provider.Output(ctx, n, "sh", "-c", script, "sh", dir); err != nil {
		return fmt.Errorf("ending the pods of %s: %w", n.Name(), err)
	}
	return nil
}

func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	return component.Probe(ctx, n, "http", 10248, "/healthz")
}
