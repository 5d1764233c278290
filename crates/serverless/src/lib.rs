//! The app's side of Azure SignalR Service in serverless mode, with Microsoft Entra.
