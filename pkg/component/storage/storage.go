// Package storage is the cluster's default storage: volumes that are folders of the
// node on which their pod runs.
package storage

import (
	"context"
	_ "embed"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name = names.LocalPathProvisioner
	// namespace is of its own: who may make pods in kube-system may be anybody there.
	namespace = "local-path-storage"
	// Dir is where the volumes of a node lie: on its own volume, so that they outlive
	// a restart, and not the node.
	Dir = "/var/local-path-provisioner"
)

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New is the provisioner and the StorageClass that is every claim's default. It
// starts last and in the background: a pod waits for its volume by itself, and until
// one asks for a volume nothing needs a provisioner.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "makes a volume of a node's disk for each claim of the default StorageClass",
			Lesson: lesson,
			Flags:  func(*cluster.Cluster, provider.Node) []component.Flag { return Flags() },
			Effect: component.Effect{Claim: "a claim of a pod gets a volume", Try: provides},
		},
		Content: component.Content{
			On:      func(c *cluster.Cluster) []provider.Node { return c.ControlPlanes()[:1] },
			Objects: Objects,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.CoreDNS, Until: component.UntilReady},
			},
			Ready:      ready,
			Background: true,
		},
	}
}

// Objects are the provisioner's, as YAML documents.
func Objects(c *cluster.Cluster) ([]byte, error) {
	return component.Render(name, manifest, map[string]any{
		"Image":     "docker.io/rancher/local-path-provisioner:" + c.Nodes[0].Versions().LocalPath,
		"Args":      append([]string{"start"}, component.Args(c.Config, name, Flags())...),
		"Namespace": namespace, "Dir": Dir, "Server": c.ServerOfPods(),
	})
}

// Flags are those of the provisioner's command start, see
// https://github.com/rancher/local-path-provisioner.
func Flags() []component.Flag {
	return []component.Flag{
		{Name: "config", Value: "/etc/config/config.json", Why: "This file has the folder of the volumes on each node."},
		{Name: "helper-pod-file", Value: "/etc/config/helperPod.yaml", Why: "This file describes the helper pod, which creates or deletes a folder on a node."},
		{Name: "namespace", Value: namespace, Why: "Helper pods run in this namespace."},
		{Name: "service-account-name", Value: "default", Why: "Helper pods need no rights in the API."},
	}
}

func ready(ctx context.Context, c *cluster.Cluster, _ provider.Node) error {
	return component.DeploymentReady(ctx, c, namespace, name)
}
