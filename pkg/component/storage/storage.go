// Package storage runs local-path-provisioner, the default storage of the cluster. Its volumes
// are folders of the node on which their pod runs.
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
	// namespace is a separate namespace, because a user that can create pods in kube-system can
	// use every service account there.
	namespace = "local-path-storage"
	// Dir is the folder of the volumes on a node. It is on the volume of the node, so that it
	// outlives a restart, but not the node.
	Dir = "/var/local-path-provisioner"
	// program creates and removes the folders of volumes, see node-image/mkube-node.
	program = "/usr/local/bin/mkube-volume"
	// pathPattern is a Go template for the name of a volume's folder, VOLUME_NAMESPACE_CLAIM. The
	// provisioner would choose the same name, but the name can be longer than 255 bytes, the limit of
	// Linux (NAME_MAX). The template ends it there. It starts with the folders NAMESPACE/CLAIM and
	// leaves them again, because the provisioner refuses any other start.
	pathPattern = `{{.PVC.Namespace}}/{{.PVC.Name}}/../../{{printf "%.255s" (print .PVName "_" .PVC.Namespace "_" .PVC.Name)}}`
)

//go:embed manifest.yaml
var manifest string

//go:embed lesson.md
var lesson string

// New returns the provisioner and the default StorageClass. It starts last and in the
// background: a pod waits for its volume anyway, and without a claim nothing needs a
// provisioner.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "creates a volume on a node's disk for each claim of the default StorageClass",
			Lesson: lesson,
			Flags:  func(*cluster.Cluster, provider.Node) []component.Flag { return Flags() },
			Effect: component.Effect{Claim: "a pod's PersistentVolumeClaim gets a volume", Try: provides},
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

// Objects returns the objects of the provisioner, as YAML documents.
func Objects(c *cluster.Cluster) ([]byte, error) {
	return component.Render(name, manifest, map[string]any{
		"Image":     "docker.io/rancher/local-path-provisioner:" + c.Nodes[0].Versions().LocalPath,
		"Args":      append([]string{"start"}, component.Args(c.Config, name, Flags())...),
		"Namespace": namespace, "Dir": Dir, "PathPattern": pathPattern, "Program": program, "Server": c.ServerOfPods(),
	})
}

// Flags returns the flags of the provisioner's command start. See
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
