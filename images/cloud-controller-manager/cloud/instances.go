package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cloudprovider "k8s.io/cloud-provider"
)

// The list of the cluster's nodes is a ConfigMap that mkube updates from the host. Each key is the
// name of a node, and its value is a Node as JSON. No program in the cluster can list the containers
// of the host itself.
const (
	ListNamespace = "kube-system"
	ListName      = "mkube-nodes"
)

// Node is the entry of a node in the list.
type Node struct {
	Addresses    []string `json:"addresses"`
	InstanceType string   `json:"instanceType"`
	Zone         string   `json:"zone"`
	Region       string   `json:"region"`
}

// ProviderID returns the provider ID of a node.
func ProviderID(cluster, node string) string { return Name + "://" + cluster + "/" + node }

// list returns the list of nodes, or nil if there is no list. A missing list does not mean that a
// node does not exist.
func (c *Cloud) list(ctx context.Context) (map[string]string, error) {
	m, err := c.client.CoreV1().ConfigMaps(ListNamespace).Get(ctx, ListName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the list of nodes: %w", err)
	}
	return m.Data, nil
}

// InstanceExists returns false only for a node with a provider ID of this cluster that is not in the
// list any more. It returns true for a Node object that another program created, and if the list is
// missing or empty, so that the controller does not delete nodes in these cases.
func (c *Cloud) InstanceExists(ctx context.Context, node *corev1.Node) (bool, error) {
	if node.Spec.ProviderID != ProviderID(c.cluster, node.Name) {
		return true, nil
	}
	list, err := c.list(ctx)
	if err != nil || len(list) == 0 {
		return true, err
	}
	_, listed := list[node.Name]
	return listed, nil
}

const (
	// kubeletPort is a port on which every node listens.
	kubeletPort = "10250"
	// patience is longer than the kernel tries to resolve the address of a neighbor (ARP or NDP), which
	// is about three seconds.
	patience = 5 * time.Second
)

// InstanceShutdown returns true for a node whose address nothing on the network has: the kernel could
// not resolve the address (EHOSTUNREACH). The controller calls InstanceShutdown only for nodes that
// are not Ready.
func (c *Cloud) InstanceShutdown(ctx context.Context, node *corev1.Node) (bool, error) {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return gone(ctx, net.JoinHostPort(a.Address, kubeletPort))
		}
	}
	return false, nil
}

func gone(ctx context.Context, address string) (bool, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	switch {
	case err == nil:
		return false, conn.Close()
	case errors.Is(err, syscall.EHOSTUNREACH):
		return true, nil
	case errors.Is(err, syscall.ECONNREFUSED): // the node runs, but not its kubelet
		return false, nil
	}
	return false, fmt.Errorf("connecting to the node at %s: %w", address, err)
}

// InstanceMetadata returns the data with which the controller initializes a new node.
func (c *Cloud) InstanceMetadata(ctx context.Context, node *corev1.Node) (*cloudprovider.InstanceMetadata, error) {
	list, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	entry, listed := list[node.Name]
	if !listed {
		return nil, fmt.Errorf("node %s is not in ConfigMap %s/%s: it is no node that mkube made", node.Name, ListNamespace, ListName)
	}
	var n Node
	if err := json.Unmarshal([]byte(entry), &n); err != nil {
		return nil, fmt.Errorf("reading what ConfigMap %s/%s says of node %s: %w", ListNamespace, ListName, node.Name, err)
	}
	m := &cloudprovider.InstanceMetadata{
		ProviderID:    ProviderID(c.cluster, node.Name),
		InstanceType:  n.InstanceType,
		Zone:          n.Zone,
		Region:        n.Region,
		NodeAddresses: []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: node.Name}},
	}
	for _, a := range n.Addresses {
		m.NodeAddresses = append(m.NodeAddresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
	}
	return m, nil
}
