package main

import "fmt"

// A dataset is one of the paper's, section 4.1.
type dataset struct {
	name  string // in tables and folders
	title string
	zoo   string // LiuNet for it
	files string // argument of gocaffe convert, and name of the databases
	test  string // end of the name of the database to test on
	tuned string // the dataset whose settings it has
}

var datasets = []dataset{
	{name: "mnist", title: "MNIST", zoo: "liunet-mnist", files: "mnist", test: "test", tuned: "mnist"},
	{name: "cifar10", title: "CIFAR-10", zoo: "liunet-cifar10", files: "cifar10", test: "test", tuned: "cifar10"},
	{name: "cifar10+", title: "CIFAR-10+", zoo: "liunet-cifar10plus", files: "cifar10", test: "test", tuned: "cifar10"},
	{name: "cifar100", title: "CIFAR-100", zoo: "liunet-cifar100", files: "cifar100", test: "test", tuned: "cifar100"},
	{name: "cifar100+", title: "CIFAR-100+", zoo: "liunet-cifar100plus", files: "cifar100", test: "test", tuned: "cifar100"},
	{name: "imagenet32", title: "ImageNet32", zoo: "liunet-imagenet32", files: "imagenet32", test: "val", tuned: "imagenet32"},
	{name: "digits", title: "Drawn digits", zoo: "liunet-digits", files: "digits", test: "test", tuned: "digits"},
}

func datasetNamed(name string) dataset {
	for _, d := range datasets {
		if d.name == name {
			return d
		}
	}
	panic("no dataset " + name) // all names are in this program
}

// A scale says how large the nets are and how long they train. The schedule of the
// learning rate is the paper's, as long as the training.
type scale struct {
	name   string
	doc    string
	divide int // the paper's numbers of channels and features
	batch  int

	iterations map[string]int // by the name of the dataset that the settings are tuned on
	seeds      map[string]int
	trial      float64 // length of a trial of a setting, as a part of a training
}

var scales = []scale{
	{
		name: "full", doc: "the paper's widths, batches and iterations", divide: 1, batch: 256, trial: 1,
		iterations: map[string]int{"mnist": 20000, "cifar10": 20000, "cifar100": 20000, "imagenet32": 40000},
		seeds:      map[string]int{"mnist": 5, "cifar10": 5, "cifar100": 5, "imagenet32": 3},
	},
	{
		name: "half", doc: "half of the paper's channels, batches of 128", divide: 2, batch: 128, trial: 0.5,
		iterations: map[string]int{"mnist": 4000, "cifar10": 8000, "cifar100": 8000, "imagenet32": 20000},
		seeds:      map[string]int{"mnist": 5, "cifar10": 3, "cifar100": 3, "imagenet32": 3},
	},
	{
		name: "quarter", doc: "a quarter of the paper's channels, batches of 32", divide: 4, batch: 32, trial: 0.5,
		iterations: map[string]int{"mnist": 2000, "cifar10": 3000, "cifar100": 3000, "imagenet32": 8000},
		seeds:      map[string]int{"mnist": 5, "cifar10": 3, "cifar100": 3, "imagenet32": 3},
	},
	{ // for the test of this program
		name: "tiny", doc: "the zoo's net of drawn digits, for a few iterations", divide: 4, batch: 16, trial: 0.5,
		iterations: map[string]int{"digits": 20},
		seeds:      map[string]int{"digits": 2},
	},
}

func scaleNamed(name string) (scale, error) {
	for _, s := range scales {
		if s.name == name {
			return s, nil
		}
	}
	return scale{}, fmt.Errorf("-scale is %q, want full, half or quarter", name)
}
