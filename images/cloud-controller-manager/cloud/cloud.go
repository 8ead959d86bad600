// Package cloud implements the cloud provider mkube, from which the cloud controllers of Kubernetes
// request nodes and load balancers.
package cloud

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	cloudprovider "k8s.io/cloud-provider"

	"github.com/mkube/mkube/images/cloud-controller-manager/addresses"
)

// Name is the value of the flag --cloud-provider and the scheme of provider IDs.
const Name = "mkube"

// Cloud implements Interface of k8s.io/cloud-provider for one cluster. Its methods are safe for
// concurrent use.
type Cloud struct {
	cluster string
	pools   addresses.Pools
	client  kubernetes.Interface

	services corelisters.ServiceLister
	mu       sync.Mutex // guards given, and every choice of an address
	given    map[types.UID]status
}

// New returns the cloud of a cluster. The cluster's Services get addresses of the pools.
func New(cluster string, pools addresses.Pools) *Cloud {
	return &Cloud{cluster: cluster, pools: pools, given: map[types.UID]status{}}
}

// Initialize is called first. It creates the client for the API server.
func (c *Cloud) Initialize(clients cloudprovider.ControllerClientBuilder, _ <-chan struct{}) {
	c.client = clients.ClientOrDie("mkube-cloud")
}

// SetInformers is called second. The controllers wait until the informers have all Services before
// they request a load balancer.
func (c *Cloud) SetInformers(factory informers.SharedInformerFactory) {
	c.services = factory.Core().V1().Services().Lister()
}

// LoadBalancer returns c, which assigns addresses to Services.
func (c *Cloud) LoadBalancer() (cloudprovider.LoadBalancer, bool) { return c, true }

// InstancesV2 returns c, which returns information about nodes.
func (c *Cloud) InstancesV2() (cloudprovider.InstancesV2, bool) { return c, true }

// Instances returns false, because the controllers use InstancesV2 instead.
func (c *Cloud) Instances() (cloudprovider.Instances, bool) { return nil, false }

// Zones returns false, because InstancesV2 returns the zones.
func (c *Cloud) Zones() (cloudprovider.Zones, bool) { return nil, false }

// Clusters returns false, because a cloud is one cluster.
func (c *Cloud) Clusters() (cloudprovider.Clusters, bool) { return nil, false }

// Routes returns false, because the pod network does not depend on a cloud.
func (c *Cloud) Routes() (cloudprovider.Routes, bool) { return nil, false }

// ProviderName returns Name.
func (c *Cloud) ProviderName() string { return Name }

// HasClusterID returns true, because the name of the cluster is its ID.
func (c *Cloud) HasClusterID() bool { return true }
