// Package cloud is mkube as a cloud provider: what Kubernetes' cloud controllers
// ask about nodes and load balancers.
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

// Name is what --cloud-provider calls it, and what provider IDs begin with.
const Name = "mkube"

// Cloud implements k8s.io/cloud-provider's Interface for one cluster. Its methods may
// be called at once from many goroutines.
type Cloud struct {
	cluster string
	pools   addresses.Pools
	client  kubernetes.Interface

	services corelisters.ServiceLister
	mu       sync.Mutex // of given, and of every choice of an address
	given    map[types.UID]status
}

// New is the cloud of a cluster. Its Services get addresses of the pools.
func New(cluster string, pools addresses.Pools) *Cloud {
	return &Cloud{cluster: cluster, pools: pools, given: map[types.UID]status{}}
}

// Initialize is called first, with who speaks to the API server.
func (c *Cloud) Initialize(clients cloudprovider.ControllerClientBuilder, _ <-chan struct{}) {
	c.client = clients.ClientOrDie("mkube-cloud")
}

// SetInformers is called second. The controllers wait until the informers know all
// Services before they ask for a load balancer.
func (c *Cloud) SetInformers(factory informers.SharedInformerFactory) {
	c.services = factory.Core().V1().Services().Lister()
}

// LoadBalancer is what gives Services addresses.
func (c *Cloud) LoadBalancer() (cloudprovider.LoadBalancer, bool) { return c, true }

// InstancesV2 is what knows the nodes.
func (c *Cloud) InstancesV2() (cloudprovider.InstancesV2, bool) { return c, true }

// Instances is none: InstancesV2 is asked instead.
func (c *Cloud) Instances() (cloudprovider.Instances, bool) { return nil, false }

// Zones is none: InstancesV2 knows them.
func (c *Cloud) Zones() (cloudprovider.Zones, bool) { return nil, false }

// Clusters is none: a cloud is one cluster.
func (c *Cloud) Clusters() (cloudprovider.Clusters, bool) { return nil, false }

// Routes is none: the pod network needs no help of a cloud.
func (c *Cloud) Routes() (cloudprovider.Routes, bool) { return nil, false }

// ProviderName is Name.
func (c *Cloud) ProviderName() string { return Name }

// HasClusterID is true: the cluster's name is one.
func (c *Cloud) HasClusterID() bool { return true }
