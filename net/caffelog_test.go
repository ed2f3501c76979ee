package net_test

import (
	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
)

func init() {
	net.CaffeLog = func(write func(level event.Level, source, text string)) event.Observer { return caffelog.New(write) }
}
