package kubelet

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/pki"
	"github.com/mkube/mkube/pkg/provider"
)

// controlPlaneRole is the label by which kubectl get nodes shows a control plane. A kubelet must
// not set it on its own node. See
// https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane.
const controlPlaneRole = "node-role.kubernetes.io/control-plane"

//go:embed registration/lesson.md
var registrationLesson string

// Registration returns the component by which kubelets join the cluster: each gets a kubeconfig
// and creates its Node object. Its files replace the kubelet's configuration file, and add a flag. A
// kubelet that has them when it starts registers immediately.
func Registration() component.Component {
	return component.Component{
		About: component.About{
			Name:   "node-registration",
			Short:  "connects the kubelet to the API server: the node and its static pods appear in the API",
			Lesson: registrationLesson,
			Flags:  RegistrationFlags,
			Ports:  []component.Port{{Number: 10250, Protocol: "TCP", For: "the API server, for logs, exec and port-forward, and metrics-server"}},
			Effect: component.Effect{Claim: "every node is in the API, and Ready", Try: nodesReady},
		},
		Content: component.Content{
			Files: registrationFiles,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.Kubelet, Until: component.UntilServing},
				{Name: names.KubeAPIServer, Until: component.UntilServing},
				{Name: names.CNI, Until: component.BeforeReady},
			},
			Unit:   unit,
			Start:  register,
			Stop:   unregister,
			Serves: registered,
			Ready:  nodeReady,
		},
	}
}

// RegistrationFlags returns the flags that a kubelet needs to register, in addition to Flags.
func RegistrationFlags(*cluster.Cluster, provider.Node) []component.Flag {
	return []component.Flag{
		{Name: "kubeconfig", Value: kubeconfig, Why: "This file has the address of the API server, and the kubelet's client certificate. Without the flag, the kubelet runs static pods only."},
	}
}

func registrationFiles(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	// The Node authorizer identifies a kubelet by this group and this name. See
	// https://kubernetes.io/docs/reference/access-authn-authz/node/.
	client, err := component.Kubeconfig(c, n, kubeconfig, pki.Request{
		CommonName: "system:node:" + n.Name(), Organizations: []string{"system:nodes"},
	})
	if err != nil {
		return nil, err
	}
	config, err := configFile(c, n, true)
	flags := component.Overridden(c.Config, name, RegistrationFlags(c, n))
	return []provider.File{config, flagsFile("registration", "KUBELET_REGISTRATION_FLAGS", flags), client}, err
}

// CloudFlags returns the flags of a kubelet in a cluster with a cloud controller manager, which
// initializes its node, in addition to RegistrationFlags.
func CloudFlags() []component.Flag {
	return []component.Flag{
		{Name: "cloud-provider", Value: "external", Why: "A new node has a taint until the cloud controller manager has initialized it."},
	}
}

// CloudFile returns the file with CloudFlags.
func CloudFile(c *cluster.Cluster) provider.File {
	return flagsFile("cloud", "KUBELET_CLOUD_FLAGS", component.Overridden(c.Config, name, CloudFlags()))
}

// registering restarts a kubelet that was started without a kubeconfig.
const registering = `tr '\0' ' ' <"/proc/$(systemctl show --property=MainPID --value "$1")/cmdline" | grep -q -e --kubeconfig= || systemctl restart "$1"`

func register(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "sh", "-c", registering, "sh", unit); err != nil {
		return fmt.Errorf("starting the kubelet: %w", err)
	}
	return nil
}

// registered completes the node's object. It returns an error until the kubelet has created the
// object.
func registered(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	patch, err := patchOf(c, n)
	if err != nil {
		return err
	}
	err = c.API.Patch(ctx, cluster.Nodes, n.Name(), patch)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("node %s has not registered", n.Name())
	}
	return err
}

// patchOf returns the fields that mkube sets in a Node object. If the user installs another pod
// network, kube-controller-manager assigns the pod CIDRs instead.
func patchOf(c *cluster.Cluster, n provider.Node) ([]byte, error) {
	patch := map[string]any{}
	if n.Role() == config.ControlPlane {
		patch["metadata"] = map[string]any{"labels": map[string]string{controlPlaneRole: ""}}
	}
	if !c.Config.Networking.DisableDefaultCNI {
		cidrs := c.PodCIDRs(n)
		if len(cidrs) == 0 {
			return nil, fmt.Errorf("node %s is not in the cluster's configuration", n.Name())
		}
		patch["spec"] = map[string]any{"podCIDR": cidrs[0], "podCIDRs": cidrs}
	}
	return json.Marshal(patch)
}

// unregister restarts the kubelet with its static pods only, and deletes the node's object.
func unregister(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if _, err := provider.Output(ctx, n, "systemctl", "restart", unit); err != nil {
		return fmt.Errorf("restarting the kubelet: %w", err)
	}
	if err := c.API.Delete(ctx, cluster.Nodes, n.Name()); err != nil {
		return fmt.Errorf("deleting the object of node %s: %w", n.Name(), err)
	}
	return nil
}

// nodeReady returns nil when the Node object is Ready. The kubelet reports that, and also
// whether there is a pod network.
func nodeReady(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	nodes, err := c.API.Resource(ctx, cluster.Nodes)
	if err != nil {
		return err
	}
	node, err := nodes.Get(ctx, n.Name(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	if component.Condition(node, "Ready") != "True" {
		return fmt.Errorf("node %s is not Ready: %s", n.Name(), component.ConditionMessage(node, "Ready"))
	}
	return nil
}
