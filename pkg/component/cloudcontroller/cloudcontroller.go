// Package cloudcontroller runs cloud-controller-manager, which does the tasks of a cloud: it
// initializes nodes, and gives Services addresses.
package cloudcontroller

import (
	"context"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name       = names.CloudControllerManager
	kubeconfig = "/etc/kubernetes/cloud-controller-manager.conf"
	image      = component.OwnRegistry + name
	// heartbeatKey is the file with the key of the speakers' heartbeats.
	heartbeatKey = names.StateDir + "/heartbeat.key"
)

// The users that it authenticates as. objects.yaml grants them their rights.
const (
	controllerUser = "mkube:cloud-controller-manager"
	speakerUser    = "mkube:speaker"
)

//go:embed manifest.yaml
var manifest string

//go:embed objects.yaml
var objects string

//go:embed lesson.md
var lesson string

// New returns the cloud controller manager. It runs with controllers on control planes, where
// one set of them is active, and with a speaker on every node. kubelet returns a file that a
// kubelet needs in a cluster with a cloud controller manager.
func New(kubelet func(*cluster.Cluster) provider.File) component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "initializes Node objects, and assigns addresses to Services of type LoadBalancer",
			Lesson: lesson,
			Flags:  Flags,
			Ports: []component.Port{
				{Number: 10258, Protocol: "TCP", For: "health and metrics, for the node itself"},
				{Number: 10258, Protocol: "UDP", For: "heartbeats, for the speakers of the other nodes"},
			},
			Effect: component.Effect{Claim: "a Service of type LoadBalancer gets an address", Try: gives},
		},
		Content: component.Content{
			Files: func(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
				list, err := files(c, n)
				return append(list, kubelet(c)), err
			},
			Objects:  Objects,
			Manifest: staticPod,
		},
		Lifecycle: component.Lifecycle{
			// No other component waits for it. If it started earlier, it would compete for the
			// CPU.
			DependsOn: []component.Dependency{
				{Name: names.KubeAPIServer, Until: component.UntilReady},
				{Name: names.NodeRegistration, Until: component.BeforeReady},
			},
			Neighbors: true,
			Start:     start,
			Stop:      stop,
			Ready:     ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	user := speakerUser
	if n.Role() == config.ControlPlane {
		user = controllerUser
	}
	client, err := component.Kubeconfig(c, n, kubeconfig, pki.Request{CommonName: user})
	if err != nil {
		return nil, err
	}
	key, err := c.PKI.Derive("mkube heartbeats")
	data := pem.EncodeToMemory(&pem.Block{Type: "HEARTBEAT KEY", Bytes: key})
	return []provider.File{client, {Path: heartbeatKey, Data: data, Mode: 0o600}}, err
}

// Flags returns the flags on a control plane: those of Kubernetes' library,
// k8s.io/cloud-provider, and those of the speaker.
func Flags(c *cluster.Cluster, n provider.Node) []component.Flag {
	flags := []component.Flag{
		{Name: "cloud-provider", Value: "mkube", Why: "This program supports only this cloud."},
		{Name: "cluster-name", Value: c.Config.Name, Why: "The name is part of the provider ID of each node."},
		component.LeaderElect(len(c.ControlPlanes())),
		{Name: "secure-port", Value: "0", Why: "Without a TLS port, the program creates no keys at each start. It serves health and metrics on 127.0.0.1:10258 of the node."},
	}
	return append(append(flags, speakerFlags(n)...), component.FeatureGates(c.Config)...)
}

// speakerFlags returns the flags of the speaker. On a worker, the program is only a speaker.
func speakerFlags(n provider.Node) []component.Flag {
	return []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "This file has the address of the API server, and the program's client certificate."},
		{Name: "node-name", Value: n.Name(), Why: "The speaker belongs to this node."},
		{Name: "node-ip", Value: n.IP().String(), Why: "The address identifies the node's interface on the cluster's network. The speaker exchanges heartbeats with the others at this address."},
		{Name: "heartbeat-key-file", Value: heartbeatKey, Why: "Only the nodes have this key. The speakers ignore a heartbeat that was made without it, such as one from a pod."},
	}
}

func staticPod(c *cluster.Cluster, n provider.Node) (provider.File, error) {
	command := append([]string{name, "speaker"}, component.Args(config.Cluster{}, name, speakerFlags(n))...)
	if n.Role() == config.ControlPlane {
		command = append([]string{name}, component.Args(c.Config, name, Flags(c, n))...)
	}
	return component.StaticPod(c, n, name, manifest, map[string]any{
		"Image": image + ":" + n.Versions().Kubernetes, "Command": command, "Kubeconfig": kubeconfig, "HeartbeatKey": heartbeatKey,
	})
}

// Objects returns its roles and bindings, as YAML documents.
func Objects(*cluster.Cluster) ([]byte, error) {
	return component.Render(name, objects, map[string]any{
		"Controller": controllerUser, "Speaker": speakerUser, "List": listName,
	})
}

// restartKubeletScript restarts a kubelet that runs without --cloud-provider=external, and then
// prints "restarted".
const restartKubeletScript = `tr '\0' ' ' <"/proc/$(systemctl show --property=MainPID --value kubelet)/cmdline" | grep -q -e --cloud-provider=external ||
{ systemctl restart kubelet && echo restarted; }`

// start restarts a kubelet that does not know the cloud yet, and taints its node. Such a kubelet
// registered without the taint, and a node without the taint is not initialized. On the first
// control plane, start also writes the list of nodes, once for the whole cluster. See
// https://kubernetes.io/docs/tasks/administer-cluster/running-cloud-controller/.
func start(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	out, err := provider.Output(ctx, n, "sh", "-c", restartKubeletScript)
	if err != nil {
		return fmt.Errorf("configuring the kubelet for the cloud: %w", err)
	}
	if len(out) > 0 {
		if err := taint(ctx, c, n); err != nil {
			return err
		}
	}
	if n.Name() != c.ControlPlanes()[0].Name() {
		return nil
	}
	list, err := List(c)
	if err != nil {
		return err
	}
	return c.API.Put(ctx, list)
}

// taint adds the taint of a node that the cloud has not initialized.
func taint(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	node, err := c.API.Get(ctx, cluster.Nodes, "", n.Name())
	if err != nil {
		return err
	}
	taints, _, _ := unstructured.NestedSlice(node.Object, "spec", "taints")
	taints = append(taints, map[string]any{"key": uninitialized, "value": "true", "effect": "NoSchedule"})
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"taints": taints}})
	if err != nil {
		return err
	}
	return c.API.Patch(ctx, cluster.Nodes, n.Name(), patch)
}

// stop restarts the kubelet, whose files no longer have the flag for an external cloud.
func stop(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "systemctl", "restart", "kubelet"); err != nil {
		return fmt.Errorf("restarting the kubelet: %w", err)
	}
	return nil
}

// uninitialized is the taint that keeps pods off a node until it is initialized. See
// https://kubernetes.io/docs/reference/labels-annotations-taints/#node-cloudprovider-kubernetes-io-uninitialized.
const uninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

// ready returns nil when the pod is healthy and its node is initialized.
func ready(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if err := component.Healthy(name, "http", 10258, "/healthz")(ctx, c, n); err != nil {
		return err
	}
	nodes, err := c.API.Resource(ctx, cluster.Nodes)
	if err != nil {
		return err
	}
	node, err := nodes.Get(ctx, n.Name(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	taints, _, _ := unstructured.NestedSlice(node.Object, "spec", "taints")
	for _, t := range taints {
		if taint, _ := t.(map[string]any); taint["key"] == uninitialized {
			return fmt.Errorf("node %s is not initialized", n.Name())
		}
	}
	return nil
}
