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

// The list of the cluster's nodes is a ConfigMap that mkube keeps right from the
// host: for each node a key, its name, with a Node as JSON. Nothing in the cluster
// could know which containers there are.
const (
	ListNamespace = "kube-system"
	ListName      = "mkube-nodes"
)

// Node is what the list says of a node.
type Node struct {
	Addresses    []string `json:"addresses"`
	InstanceType string   `json:"instanceType"`
	Zone         string   `json:"zone"`
	Region       string   `json:"region"`
}

// ProviderID is a node's.
func ProviderID(cluster, node string) string { return Name + "://" + cluster + "/" + node }

// list is the list of nodes; nil where there is none, which says nothing about any
// node.
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

// InstanceExists is false only for a node that was of this cluster and is not in its
// list any more: a Node object that somebody else made, or a list that is missing or
// empty, is no reason to delete anything.
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
	// kubeletPort is one that every node listens on.
	kubeletPort = "10250"
	// patience is longer than the kernel asks for a neighbour, about three seconds.
	patience = 5 * time.Second
)

// InstanceShutdown is true for a node at whose address nobody is: the kernel asked the
// network for it and nobody answered. It is only asked about nodes that are not
// Ready.
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
	case errors.Is(err, syscall.ECONNREFUSED): // the node is there, its kubelet is not
		return false, nil
	}
	return false, fmt.Errorf("looking for the node at %s: %w", address, err)
}

// InstanceMetadata is what a new node is initialised with.
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
