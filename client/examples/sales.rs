//! A day in a shop: an admin makes somebody a seller of a store, a sale counts once however often it is
//! recorded, and the totals tell.
//!
//! ```text
//! stampede serve --listen 127.0.0.1:7400 --data shop
//! cargo run -p client --example sales -- 127.0.0.1:7400 shop/admin-password
//! ```
//!
//! Registers its seller itself. Ends with an error if the server does anything else.
#![expect(clippy::print_stdout, reason = "an example speaks")]

use client::{
    AskError, Handle, Identity, connect, new_key,
    protocol::{
        Code, Roles,
        words::{
            accounts::SetRoles,
            sales::{
                AssignSeller, BestSeller, OpenNetwork, OpenStore, Period, RecordSale, SaleId,
                StoreTotal,
            },
        },
    },
    register,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<String> = arguments
        .filter_map(|word| word.into_string().ok())
        .collect();
    let [address, password_file] = arguments.as_slice() else {
        return Err("give the server's ADDRESS and its ADMIN_PASSWORD_FILE".into());
    };
    run(address, std::fs::read_to_string(password_file)?.trim()).await
}

/// Opens a store, sells in it, and asks who sold what.
pub(crate) async fn run(address: &str, admin_password: &str) -> Result<(), Failure> {
    let sale = SaleId(new_key()?.0);
    let [a, b, c, d, ..] = sale.0;
    let suffix = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
    let admin = log_in(address, "admin", admin_password).await?;

    let seller_name = format!("eve-{suffix}");
    let user = register(address, &seller_name, "correct horse").await?;
    let roles = Roles::SELLER;
    admin.command(SetRoles { user, roles }).await?;
    let name = format!("Nord {suffix}");
    let network = admin.command(OpenNetwork { name }).await?.seq.0;
    let name = format!("Am Markt {suffix}");
    let store = admin.command(OpenStore { network, name }).await?.seq.0;
    let seller = user;
    admin.command(AssignSeller { seller, store }).await?;
    println!("{seller_name} sells in store {store} of network {network}");

    let eve = log_in(address, &seller_name, "correct horse").await?;
    let today = std::time::UNIX_EPOCH.elapsed()?.as_secs() / 86_400;
    let day = u32::try_from(today)?;
    let cents = 1_999;
    let record = RecordSale {
        sale,
        store,
        cents,
        day,
    };
    eve.command(record).await?;
    // A till that lost its memory records it again, under another key.
    match eve.command(record).await {
        Err(AskError::Refused(refusal)) if refusal.code == Code::SALE_EXISTS => {}
        another => return Err(format!("a sale counts once, not {another:?}").into()),
    }

    let period = Period { from: day, to: day };
    let sold = admin.query(StoreTotal { store, period }).await?;
    println!("{:?} sold by position {}", sold.total, sold.reflects);
    let best = admin.query(BestSeller { network }).await?;
    let is_best = best.best.as_ref().is_some_and(|best| best.of == user.0);
    if (sold.total.cents, sold.total.sales) != (cents, 1) || !is_best {
        return Err(format!("one sale was recorded, not {sold:?}, {best:?}").into());
    }
    Ok(())
}

async fn log_in(address: &str, name: &str, password: &str) -> Result<Handle, Failure> {
    let identity = Identity::LogIn {
        name: name.to_owned(),
        password: password.to_owned(),
        key: new_key()?,
    };
    // Nobody is told anything here: pushes are not wanted.
    let (handle, _pushes) = connect(address, identity, None).await?;
    Ok(handle)
}
