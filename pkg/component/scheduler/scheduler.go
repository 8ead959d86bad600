// Package scheduler runs kube-scheduler, which chooses a node for each pod.
package scheduler

import (
	_ "embed"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name       = names.KubeScheduler
	dir        = names.PKIDir
	kubeconfig = "/etc/kubernetes/scheduler.conf"
)

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New returns the scheduler, with one instance on each control plane. One of them is active.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "chooses a node for every pod that has none",
			Lesson: lesson,
			Flags:  Flags,
			Ports:  []component.Port{{Number: 10259, Protocol: "TCP", For: "health and metrics, for the node itself"}},
			Effect: component.Effect{Claim: "a pod gets a node", Try: places},
		},
		Content: component.Content{
			On:       component.ControlPlanes,
			Files:    files,
			Manifest: staticPod,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.KubeAPIServer, Until: component.UntilServing},
			},
			Ready: component.Healthy(name, "https", 10259, "/healthz"),
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	client, err := component.Kubeconfig(c, n, kubeconfig, pki.Request{CommonName: "system:kube-scheduler"})
	if err != nil {
		return nil, err
	}
	settings, err := settingsFile(c)
	return append(settings, client), err
}

// settingsFile returns the user's KubeSchedulerConfiguration with the fields that mkube otherwise
// sets by flags: kube-scheduler ignores the flag kubeconfig if it has a file. A value of the user's
// stays. If extraFiles does not have the file, its content is not known, and it stays as it is.
func settingsFile(c *cluster.Cluster) ([]provider.File, error) {
	path := c.Config.ExtraArgs[name]["config"]
	text, ok := c.Config.ExtraFile(name, path)
	if !ok {
		return nil, nil
	}
	var user map[string]any
	if err := yaml.Unmarshal([]byte(text), &user); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	data, err := yaml.Marshal(component.Merge(map[string]any{
		"clientConnection": map[string]any{"kubeconfig": kubeconfig},
		"leaderElection":   map[string]any{"leaderElect": len(c.ControlPlanes()) > 1},
	}, user))
	return []provider.File{{Path: path, Data: data, Mode: 0o600}}, err
}

// Flags returns the flags of kube-scheduler. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/.
func Flags(c *cluster.Cluster, _ provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "This file has the address of the API server, and the scheduler's client certificate."},
		{Name: "authentication-kubeconfig", Value: kubeconfig, Why: "The API server authenticates the clients that read the metrics."},
		{Name: "authorization-kubeconfig", Value: kubeconfig, Why: "The API server decides whether a client may read the metrics."},
		{Name: "client-ca-file", Value: dir + "/ca.crt", Why: "Clients that read the metrics can authenticate with a certificate of this authority."},
		{Name: "requestheader-client-ca-file", Value: dir + "/front-proxy-ca.crt", Why: "This authority issues the certificate of the front proxy. With this flag, the scheduler does not request it at start."},
		{Name: "bind-address", Value: "127.0.0.1", Why: "Health and metrics are only available on the node itself."},
		component.NoProfiling(),
		component.LeaderElect(len(c.ControlPlanes())),
	}
	flags = append(flags, component.FeatureGates(c.Config)...)
	return component.Without(c.Config, name, flags, map[string][]string{"config": {"kubeconfig", "leader-elect"}})
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	return component.StaticPod(c, n, name, manifest, map[string]any{
		"Image":      component.Registry + name + ":" + n.Versions().Kubernetes,
		"Command":    append([]string{name}, component.Args(c.Config, name, Flags(c, n))...),
		"Kubeconfig": kubeconfig,
	})
}
