// Package recurrent has Caffe's layers for sequences: LSTM, RNN and LSTMUnit.
package recurrent
